"""Read the released ResNet38 weights: PSA and SEAM files, and the authors' MXNet file."""

from __future__ import annotations

import re

from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from .weight_file import fill, read_weight_file

_ENTRIES = {
    'weight': 'weight',
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_var': 'running_var',
}
_ENTRY = f'({"|".join(_ENTRIES)})'
# MXNet says res5b1_branch2a_weight where the PyTorch files say b5_1.conv_branch2a.weight.
_UNIT = re.compile(rf'(res|bn)(\d)(?:a|b(\d+))_(branch\w+?)_{_ENTRY}')
_PLAIN = re.compile(rf'(conv1a|bn7)_{_ENTRY}')
_EXPECTED = (
    'the PSA or SEAM .pth file or the MXNet .params file of model A1, such as '
    'ilsvrc-cls_rna-a1_cls1000_ep-0001.params, with base_channels=64'
)


def rename_mxnet_key(name: str) -> str | None:
    """Give the ResNet38 key of an entry of the MXNet file; None of what is not in the backbone.

    It is ``b5_1.conv_branch2a.weight`` of ``arg:res5b1_branch2a_weight``.
    """
    name = name.split(':', 1)[-1]
    if match := _UNIT.fullmatch(name):
        kind, level, index, branch, entry = match.groups()
        unit = f'b{level}' if index is None else f'b{level}_{index}'
        return f'{unit}.{"conv" if kind == "res" else "bn"}_{branch}.{_ENTRIES[entry]}'
    if match := _PLAIN.fullmatch(name):
        return f'{match[1]}.{_ENTRIES[match[2]]}'
    return None


@WEIGHT_INITIALIZERS.register_module()
class PretrainedResNet38:
    """Fill a :class:`ResNet38` from a released file: ``init_cfg=dict(type='PretrainedResNet38')``.

    Args:
        checkpoint: An MXNet ``.params`` file, or a PyTorch file with the PSA/SEAM names, bare or
            below ``state_dict``, with or without ``module.`` in front.

    Raises:
        FileNotFoundError: There is no such file (when the weights are loaded).
        ValueError: The file belongs to another model.
    """

    def __init__(self, checkpoint: str):
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        weights, _ = read_weight_file(self.checkpoint, _EXPECTED)
        weights = {rename_mxnet_key(name) or name: value for name, value in weights.items()}
        fill(module, weights, self.checkpoint, _EXPECTED)
