"""The base of the image-level datasets: ids, image files, and images without a label."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from mmengine.logging import print_log
from mmpretrain.datasets import MultiLabelDataset
from mmpretrain.datasets.categories import VOC2007_CATEGORIES

from mmws.files.find_images import missing_files
from mmws.files.id_list import read_ids

_UNLABELLED = ('error', 'skip', 'keep')


def check_files(what: str, paths: Sequence[str], hint: str) -> None:
    """Refuse, by a FileNotFoundError with the ``hint``, files that are not there."""
    if missing := missing_files(paths):
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} {what} are missing, the first: {missing[0]}. {hint}'
        )


class ImageLevelDataset(MultiLabelDataset):
    """Images by id with the classes that are somewhere in them.

    Everything is read and checked when the dataset is built. A sample holds ``img_path``,
    ``image_id`` and ``gt_label``, the sorted class indices from 0 (aeroplane) to 19 (tvmonitor),
    without background.

    Args:
        ann_file: List of image ids, one a line, relative to ``data_root``.
        data_root: Root of the data.
        data_prefix: Folders relative to ``data_root``, ``img_path`` is the one with the images; by
            default those of ``DATA_PREFIX``.
        img_suffix: Ending of an image file after its id.
        unlabelled: What to do with an image in which no class is present: ``'error'``; ``'skip'``
            leaves it out, counts it and names the first; ``'keep'`` trains on it with an empty
            ``gt_label``, as a task of one class needs (people or not, defect or not), and its seeds
            are background everywhere.
        **kwargs: As in mmpretrain's ``BaseDataset``: ``pipeline``, ``metainfo`` or ``classes`` for
            other classes than VOC's 20, ``indices`` for the first few images only.

    Raises:
        FileNotFoundError: A list, an image or a label file is not there.
        ValueError: A list or label file is wrong, or an image has no label.
    """

    METAINFO = {'classes': VOC2007_CATEGORIES}
    DATA_PREFIX = {'img_path': 'JPEGImages'}

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        data_prefix: str | dict | None = None,
        *,
        img_suffix: str = '.jpg',
        unlabelled: str = 'error',
        **kwargs,
    ):
        if unlabelled not in _UNLABELLED:
            raise ValueError(f'unlabelled must be one of {_UNLABELLED}; got {unlabelled!r}.')
        self.img_suffix = img_suffix
        self.unlabelled = unlabelled
        if isinstance(data_prefix, str):
            data_prefix = {'img_path': data_prefix}
        data_prefix = {**self.DATA_PREFIX, **(data_prefix or {})}
        super().__init__(ann_file, data_root=data_root, data_prefix=data_prefix, **kwargs)

    def load_labels(self, image_ids: Sequence[str]) -> list[list[int]]:
        """Read the class indices of each image, in any order; none where no class is present."""
        raise NotImplementedError

    def load_image_ids(self) -> list[str]:
        """Read the ids of the dataset, in order and without repetition."""
        return read_ids(self.ann_file, self.has_image)

    def image_path(self, image_id: str) -> str:
        return os.path.join(self.img_prefix, f'{image_id}{self.img_suffix}')

    def has_image(self, image_id: str) -> bool:
        return os.path.isfile(self.image_path(image_id))

    def load_data_list(self) -> list[dict]:
        """Read and check ids, images and labels."""
        image_ids = self.load_image_ids()
        paths = [self.image_path(image_id) for image_id in image_ids]
        hint = 'Check data_root, data_prefix.img_path and img_suffix.'
        check_files(f'images of {self.ann_file}', paths, hint)
        labels = [sorted(set(classes)) for classes in self.load_labels(image_ids)]
        without = [i for i, classes in zip(image_ids, labels, strict=True) if not classes]
        name = type(self).__name__
        if without and (self.unlabelled == 'error' or len(without) == len(image_ids)):
            raise ValueError(
                f'{name}: {len(without)} of {len(image_ids)} images of {self.ann_file} have no '
                f'known class, the first: {without[0]}. Label them, take them off the list, or set '
                "unlabelled='keep' to train on them as images without any class, 'skip' to leave "
                'them out; some image must have a class.'
            )
        if without:
            action = 'left out' if self.unlabelled == 'skip' else 'kept without one'
            print_log(
                f'{name}: {len(without)} images without a known class are {action}, the first: '
                f'{without[0]}.',
                logger='current',
            )
        data_list = [
            dict(img_path=path, image_id=image_id, gt_label=classes)
            for path, image_id, classes in zip(paths, image_ids, labels, strict=True)
            if classes or self.unlabelled == 'keep'
        ]
        counts = Counter(index for sample in data_list for index in sample['gt_label'])
        per_class = ', '.join(f'{n} {counts[i]}' for i, n in enumerate(self.CLASSES))
        print_log(
            f'{name}: {len(data_list)} images with {sum(counts.values())} labels from '
            f'{self.ann_file} ({per_class}).',
            logger='current',
        )
        return data_list
