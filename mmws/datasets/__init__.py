"""Stage two's data: K label maps per image in mmseg's pipelines."""

from .load_multi_seed_annotations import LoadMultiSeedAnnotations
from .multi_seed_dataset import MultiSeedDataset
from .pack_multi_seed_inputs import PackMultiSeedInputs
from .random_scale import RandomScale

__all__ = ['LoadMultiSeedAnnotations', 'MultiSeedDataset', 'PackMultiSeedInputs', 'RandomScale']
