"""Refuses a checkpoint that does not fit the model."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmws.checkpoint import load_weights


@HOOKS.register_module()
class CheckpointCheckHook(Hook):
    """Compare a checkpoint's weights with the model's before they are used.

    mmengine loads what fits and logs the rest, so that a checkpoint of another architecture tests
    or trains a network of random weights. Here every weight of the model must be in the checkpoint
    with its shape and be finite, and the checkpoint must hold no other, whether it is loaded for a
    test, by ``load_from`` or by ``--resume``: see :func:`mmws.checkpoint.load_weights`.

    Args:
        allow_partial: Accept a checkpoint that holds a part of the model, such as a backbone to
            fine-tune; what was left out is logged.
        allow_mismatch: With ``allow_partial``, patterns of weights whose shape may differ, such as
            ``['conv_seg']`` to fine-tune on another number of classes.

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
        """Raise a ValueError when the checkpoint does not fit; mmengine loads it right after."""
        source = getattr(runner, '_load_from', None) or 'the checkpoint'
        missing, unexpected = load_weights(
            runner.model,
            checkpoint,
            source,
            allow_partial=self.allow_partial,
            allow_mismatch=self.allow_mismatch,
        )
        for where, names in (('in the file', missing), ('in the model', unexpected)):
            if names:
                runner.logger.info(
                    f'{source}: {len(names)} weights are not {where}: {", ".join(names)}'
                )
