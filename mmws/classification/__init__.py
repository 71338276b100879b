"""Stage one on mmpretrain: image-level labels, CAM classifiers and their class maps.

Importing this package registers its parts in mmpretrain's registries.
"""

try:
    import mmpretrain
except ImportError as error:
    raise ImportError(
        f'mmws.classification needs mmpretrain 1.2, which cannot be imported ({error}). Install '
        'it with: pip install "mmws[cam]"'
    ) from error

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

mmpretrain.registry.TRANSFORMS.register_module(module=RandomRelativeResize)

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
