"""Image-level labels from XML, label maps or a list.

mmpretrain's own annotation files are read by its ``MultiLabelDataset``.
"""

from .image_level_dataset import ImageLevelDataset
from .label_map_image_level_dataset import LabelMapImageLevelDataset
from .list_image_level_dataset import ListImageLevelDataset
from .voc_image_level_dataset import VOCImageLevelDataset

__all__ = [
    'ImageLevelDataset',
    'LabelMapImageLevelDataset',
    'ListImageLevelDataset',
    'VOCImageLevelDataset',
]
