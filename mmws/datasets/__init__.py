"""Stage two's data: K label maps per image in mmseg's pipelines."""

from .load_multi_seed_annotations import LoadMultiSeedAnnotations
from .multi_seed_dataset import MultiSeedDataset
from .pack_multi_seed_inputs import PackMultiSeedInputs
from .random_relative_resize import RandomRelativeResize
from .shapes_dataset import ShapesDataset

__all__ = [
    'LoadMultiSeedAnnotations',
    'MultiSeedDataset',
    'PackMultiSeedInputs',
    'RandomRelativeResize',
    'ShapesDataset',
]
