"""Hooks; they register in mmengine's root registry, so both stages find them by name."""

from .checkpoint_check_hook import CheckpointCheckHook
from .num_classes_check_hook import NumClassesCheckHook

__all__ = ['CheckpointCheckHook', 'NumClassesCheckHook']
