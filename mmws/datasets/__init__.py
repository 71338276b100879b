"""Stage two's data: K label maps per image in mmseg's pipelines."""

from mmseg.registry import TRANSFORMS

from mmws.random_relative_resize import RandomRelativeResize

from .load_multi_seed_annotations import LoadMultiSeedAnnotations
from .multi_seed_dataset import MultiSeedDataset
from .pack_multi_seed_inputs import PackMultiSeedInputs
from .shapes_dataset import ShapesDataset

TRANSFORMS.register_module(module=RandomRelativeResize)

__all__ = [
    'LoadMultiSeedAnnotations',
    'MultiSeedDataset',
    'PackMultiSeedInputs',
    'RandomRelativeResize',
    'ShapesDataset',
]
