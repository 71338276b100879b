"""Image-level labels from a plain text list."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmpretrain.registry import DATASETS

from mmws.files.id_list import check_unique, listed_ids, read_lines

from .image_level_dataset import ImageLevelDataset


@DATASETS.register_module()
class ListImageLevelDataset(ImageLevelDataset):
    """Images with the classes of a text file, one line an image: ``image_id class class ...``.

    A class is its name or its index from 0, for example ``2007_000032 aeroplane person``, which
    is ``2007_000032 0 14``. An id may hold spaces: it is as much of the line as there is an image
    of. A name may not; write the index of such a class.

    Args:
        ann_file: The list with the labels.
        data_root: As in :class:`ImageLevelDataset`.
        id_file: List of image ids that selects some of them; by default all are used.
        **kwargs: As in :class:`ImageLevelDataset`.
    """

    def __init__(self, ann_file: str, data_root: str = '', *, id_file: str = '', **kwargs):
        self.id_file = os.path.join(data_root, id_file) if id_file else ''
        super().__init__(ann_file, data_root, **kwargs)

    def _split(self, line: str) -> tuple[str, list[str]]:
        words = line.split(' ')
        for count in range(len(words), 1, -1):
            if self.has_image(' '.join(words[:count])):
                return ' '.join(words[:count]), ' '.join(words[count:]).split()
        image_id, *names = line.split()
        return image_id, names

    def _index(self, name: str, line: str) -> int:
        if name in self.class_to_idx:
            return self.class_to_idx[name]
        if name.isdecimal() and int(name) < len(self.CLASSES):
            return int(name)
        raise ValueError(
            f'{self.ann_file}, line {line!r}: unknown class {name!r}. Use an index from 0 to '
            f'{len(self.CLASSES) - 1} or one of {", ".join(self.CLASSES)}.'
        )

    def load_image_ids(self) -> list[str]:
        self._entries, ids = {}, []
        for line in read_lines(self.ann_file):
            image_id, names = self._split(line)
            ids.append(image_id)
            self._entries[image_id] = [self._index(name, line) for name in names]
        check_unique(ids, self.ann_file)
        if self.id_file:
            return listed_ids(self.id_file, self._entries, self.ann_file)
        return ids

    def load_labels(self, image_ids: Sequence[str]) -> list[list[int]]:
        return [self._entries[image_id] for image_id in image_ids]
