"""Refuses a checkpoint that does not fit the model."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.registry import HOOKS
from torch import nn


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Compares a checkpoint's weights with the model's before they are used.

    mmengine loads what fits and logs the rest, so that a checkpoint of another architecture tests
    or trains a network of random weights. Here every weight of the model must be in the checkpoint
    with its shape, and the checkpoint must hold no other, whether it is loaded for a test, by
    ``load_from`` or by ``--resume``. Two differences are no mistake: weights of an auxiliary head
    that the model at hand leaves out, and BatchNorm's ``num_batches_tracked``, which old files
    lack.

    Args:
        allow_partial: Accepts a checkpoint that holds a part of the model, such as a backbone to
            fine-tune; what was left out is logged. A shape that differs and a checkpoint with no
            weight of the model stay errors.
        allow_mismatch: With ``allow_partial``, patterns (regular expressions, searched in the
            weight's name) of weights whose shape may differ, such as ``['conv_seg']`` to fine-tune
            on another number of classes. They keep their initial values.

    Example:
        >>> custom_hooks = [dict(type='CheckpointCheckHook', allow_partial=True)]
    """

    priority = 'VERY_LOW'  # after hooks that edit the checkpoint, such as EMAHook

    def __init__(self, *, allow_partial: bool = False, allow_mismatch: Sequence[str] = ()):
        if allow_mismatch and not allow_partial:
            raise ValueError(
                f'allow_mismatch={list(allow_mismatch)} needs allow_partial=True: a weight of '
                'another shape is not loaded.'
            )
        self.allow_partial = allow_partial
        self.allow_mismatch = tuple(allow_mismatch)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Raises when the checkpoint does not fit; mmengine copies the weights right after.

        Raises:
            ValueError: The weights that are missing, unknown, or of another shape.
        """
        model = _unwrapped(runner.model)
        weights = _weights(checkpoint)
        source = getattr(runner, '_load_from', None) or 'the checkpoint'
        mismatched = self._mismatched(model, weights, source)
        missing, unexpected = _load(model, weights, leave_out=mismatched)
        if len(missing) == len(_without_counters(model.state_dict())):
            raise ValueError(
                f'{source} holds no weight of {type(model).__name__}: it is a checkpoint of '
                f'another model or only a part of one. It has {_some(weights)}; the model has '
                f'{_some(model.state_dict())}. Test or train with the config that it was made '
                'with. Weights of a backbone alone belong into its init_cfg.'
            )
        if self.allow_partial:
            _log_left_out(runner, source, missing, unexpected)
        elif missing or unexpected:
            raise ValueError(_misfit(source, type(model).__name__, missing, unexpected))

    def _mismatched(self, model: nn.Module, weights: Mapping, source: str) -> list[str]:
        """The weights of another shape that may be so; raises for the others."""
        found = [
            (name, tuple(weights[name].shape), tuple(weight.shape))
            for name, weight in model.state_dict().items()
            if name in weights and weights[name].shape != weight.shape
        ]
        refused = [
            f'{name} is {theirs} in the file and {ours} in the model'
            for name, theirs, ours in found
            if not any(re.search(pattern, name) for pattern in self.allow_mismatch)
        ]
        if refused:
            raise ValueError(
                f'{len(refused)} weights in {source} have another shape than in '
                f'{type(model).__name__}: {_some(refused)}. Use the config that it was made with; '
                'where only the last layer of a head differs, its num_classes does. To fine-tune, '
                "name the layers that may differ: dict(type='CheckpointCheckHook', "
                "allow_partial=True, allow_mismatch=['conv_seg']) in custom_hooks."
            )
        return [name for name, _, _ in found]


def _unwrapped(model: nn.Module) -> nn.Module:
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _weights(checkpoint: dict) -> OrderedDict:
    """The state dict as mmengine is about to load it."""
    weights = checkpoint.get('state_dict', checkpoint)
    stripped = OrderedDict((re.sub(r'^module\.', '', name), w) for name, w in weights.items())
    stripped._metadata = getattr(weights, '_metadata', OrderedDict())
    return stripped


def _load(
    model: nn.Module, weights: OrderedDict, leave_out: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Loads, and returns the names that are missing and those that are unknown.

    Comparing names alone would refuse files of older versions, whose modules rename their own
    weights while they load. So this asks them; mmengine loads the same weights again afterwards.
    """
    fitting = OrderedDict(weights)
    for name in leave_out:
        del fitting[name]
    fitting._metadata = weights._metadata
    missing, unexpected = model.load_state_dict(fitting, strict=False)
    left_out = set(leave_out)
    missing = [name for name in _without_counters(missing) if name not in left_out]
    if not getattr(model, 'with_auxiliary_head', True):
        unexpected = [name for name in unexpected if not name.startswith('auxiliary_head.')]
    return missing, unexpected


def _without_counters(names: Iterable[str]) -> list[str]:
    return [name for name in names if not name.endswith('num_batches_tracked')]


def _misfit(source: str, model: str, missing: list[str], unexpected: list[str]) -> str:
    parts = []
    if missing:
        parts.append(f'it lacks {len(missing)} weights of the model ({_some(missing)})')
    if unexpected:
        parts.append(f'it has {len(unexpected)} that the model has not ({_some(unexpected)})')
    return (
        f'{source} is a checkpoint of another architecture than {model}: {" and ".join(parts)}. '
        'Use the config that it was made with. To start a training from a part of the weights: '
        "dict(type='CheckpointCheckHook', allow_partial=True) in custom_hooks."
    )


def _log_left_out(runner, source: str, missing: list[str], unexpected: list[str]) -> None:
    for what, names in (('not in it', missing), ('not in the model', unexpected)):
        if names:
            print_log(
                f'{source}: {len(names)} weights are {what}: {", ".join(names)}', runner.logger
            )


def _some(names: Iterable[str], count: int = 3) -> str:
    names = list(names)
    return ', '.join(names[:count]) + (', ...' if len(names) > count else '')
