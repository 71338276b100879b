"""Stage one on mmpretrain: image-level labels, CAM classifiers and their class maps.

Importing this package registers its parts in mmpretrain's registries.
"""

from . import host  # noqa: F401  isort: skip  (must run before anything imports mmpretrain)
from mmpretrain.registry import TRANSFORMS

from mmws import backbones  # noqa: F401  (the classifiers' trunks, in mmengine's registry)
from mmws.random_relative_resize import RandomRelativeResize

from .class_maps import class_maps
from .datasets import (
    ImageLevelDataset,
    LabelMapImageLevelDataset,
    ListImageLevelDataset,
    VOCImageLevelDataset,
)
from .heads import ClassMapHead, LinearCAMHead, VGG16CAMHead
from .load_classifier import build_classifier, load_classifier
from .seed_generation_hook import SeedGenerationHook

TRANSFORMS.register_module(module=RandomRelativeResize)

__all__ = [
    'ClassMapHead',
    'ImageLevelDataset',
    'LabelMapImageLevelDataset',
    'LinearCAMHead',
    'ListImageLevelDataset',
    'RandomRelativeResize',
    'SeedGenerationHook',
    'VGG16CAMHead',
    'VOCImageLevelDataset',
    'build_classifier',
    'class_maps',
    'load_classifier',
]
