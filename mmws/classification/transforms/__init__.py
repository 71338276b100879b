"""What the training pipeline of the classifiers needs beyond mmcv and mmpretrain."""

from .random_relative_resize import RandomRelativeResize

__all__ = ['RandomRelativeResize']
