"""Image-level labels from a folder of label maps."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from mmpretrain.registry import DATASETS

from mmws.files.atomic_write import write_atomically
from mmws.files.label_map import BACKGROUND, UNKNOWN, read_label_map

from .image_level_dataset import ImageLevelDataset, check_files


@DATASETS.register_module()
class LabelMapImageLevelDataset(ImageLevelDataset):
    """Images with the classes that occur in their segmentation masks.

    A mask holds 0 for background, class index + 1 for a class, and 255 for pixels that do not
    count, as VOC's ``SegmentationClass``. Masks are read once, when the dataset is built, some
    seconds for VOC's 10,582. :meth:`write_list` keeps the result for ListImageLevelDataset.

    Args:
        seg_map_suffix: Ending of a mask file after its image's id.
        **kwargs: As in :class:`ImageLevelDataset`; ``data_prefix`` has ``seg_map_path``, the
            folder of the masks, beside ``img_path``.
    """

    DATA_PREFIX = {**ImageLevelDataset.DATA_PREFIX, 'seg_map_path': 'SegmentationClassAug'}

    def __init__(self, *args, seg_map_suffix: str = '.png', **kwargs):
        self.seg_map_suffix = seg_map_suffix
        super().__init__(*args, **kwargs)

    def load_labels(self, image_ids: Sequence[str]) -> list[list[int]]:
        folder = self.data_prefix['seg_map_path']
        paths = [os.path.join(folder, f'{i}{self.seg_map_suffix}') for i in image_ids]
        hint = 'Check data_prefix.seg_map_path and seg_map_suffix.'
        check_files(f'label maps of {self.ann_file}', paths, hint)
        return [self._classes_of(path) for path in paths]

    def _classes_of(self, path: str) -> list[int]:
        labels = read_label_map(path)
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist()
        unknown = [v for v in present if len(self.CLASSES) < v != UNKNOWN]
        if unknown:
            raise ValueError(
                f'{path} holds the label {unknown[0]}; expected 0 for background, 1 to '
                f'{len(self.CLASSES)} for the classes, or 255.'
            )
        return [value - 1 for value in present if value not in (BACKGROUND, UNKNOWN)]

    def write_list(self, path: str | os.PathLike) -> None:
        """Write the labels as a list for :class:`ListImageLevelDataset`.

        A line has an image's id and the names of its classes, or their indices where names hold
        spaces.
        """
        self.full_init()
        spaces = any(len(name.split()) > 1 for name in self.CLASSES)
        lines = []
        for index in range(len(self)):
            sample = self.get_data_info(index)
            labels = sample['gt_label']
            names = [str(label) if spaces else self.CLASSES[label] for label in labels]
            lines.append(' '.join([sample['image_id'], *names]))
        write_atomically(path, ('\n'.join(lines) + '\n').encode())
