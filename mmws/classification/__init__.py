"""Stage one on mmpretrain: image-level labels, CAM classifiers and their class maps.

Importing this package registers its parts in mmpretrain's registries.
"""

from . import host  # noqa: F401  isort: skip  (must run before anything imports mmpretrain)
from mmpretrain.registry import TRANSFORMS

from mmws.random_relative_resize import RandomRelativeResize

from .class_maps import class_maps
from .datasets.image_level_dataset import ImageLevelDataset
from .datasets.label_map_image_level_dataset import LabelMapImageLevelDataset
from .datasets.list_image_level_dataset import ListImageLevelDataset
from .datasets.voc_image_level_dataset import VOCImageLevelDataset
from .heads.linear_cam_head import LinearCAMHead
from .heads.vgg16_cam_head import VGG16CAMHead
from .load_classifier import build_classifier, load_classifier
from .seed_generation_hook import SeedGenerationHook

TRANSFORMS.register_module(module=RandomRelativeResize)

__all__ = [
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
