"""Image-level labels from VOC's XML annotations."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from mmpretrain.registry import DATASETS

from .image_level_dataset import ImageLevelDataset, check_files

_DIFFICULT = ('if_alone', 'drop', 'keep')


@DATASETS.register_module()
class VOCImageLevelDataset(ImageLevelDataset):
    """VOC images with the classes of the objects in their XML files.

    Objects marked difficult do not count, unless an image would then have no label at all: the
    rule of the author's code. ``mmpretrain.VOC`` drops them always, and such an image is then
    trained as an image without anything in it.

    Args:
        difficult: Objects marked difficult count ``'if_alone'`` (only where every object of the
            image is difficult), never (``'drop'``) or always (``'keep'``).
        **kwargs: As in :class:`ImageLevelDataset`; ``data_prefix`` has ``ann_path``, the
            folder of the XML files, beside ``img_path``.
    """

    DATA_PREFIX = {**ImageLevelDataset.DATA_PREFIX, 'ann_path': 'Annotations'}

    def __init__(self, *args, difficult: str = 'if_alone', **kwargs):
        if difficult not in _DIFFICULT:
            raise ValueError(f'difficult must be one of {_DIFFICULT}; got {difficult!r}.')
        self.difficult = difficult
        super().__init__(*args, **kwargs)

    def load_labels(self, image_ids: Sequence[str]) -> list[list[int]]:
        paths = [os.path.join(self.data_prefix['ann_path'], f'{i}.xml') for i in image_ids]
        hint = 'Without XML use ListImageLevelDataset or LabelMapImageLevelDataset.'
        check_files(f'XML files of {self.ann_file}', paths, hint)
        return [self._classes_of(path) for path in paths]

    def _classes_of(self, path: str) -> list[int]:
        try:
            objects = ET.parse(path).getroot().findall('object')
        except ET.ParseError as error:
            raise ValueError(f'{path} is not readable XML: {error}.') from error
        clear, difficult = set(), set()
        for item in objects:
            name = (item.findtext('name') or '').strip()
            if name not in self.class_to_idx:
                raise ValueError(
                    f'{path} holds an object of the unknown class {name!r}; known are '
                    f'{", ".join(self.CLASSES)}. Correct it, or name the class in `classes`.'
                )
            is_difficult = (item.findtext('difficult') or '0').strip() == '1'
            (difficult if is_difficult else clear).add(self.class_to_idx[name])
        if self.difficult == 'keep':
            return list(clear | difficult)
        if self.difficult == 'drop':
            return list(clear)
        return list(clear or difficult)
