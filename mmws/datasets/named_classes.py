"""Names and colours of classes, as the tools' ``--classes`` asks for them."""

from __future__ import annotations

import os

from mmseg.registry import DATASETS
from mmseg.utils import get_classes, get_palette

from mmws.files.id_list import read_lines
from mmws.files.label_map import voc_palette


def named_classes(name: str) -> tuple[list[str], list[list[int]]]:
    """The names of the classes of a dataset, and the RGB of each.

    Args:
        name: What mmseg calls it (``voc``, ``ade``, ``cityscapes``, ...), the name of a registered
            dataset class (``ShapesDataset``), a number of classes, the background included, or
            all names, with commas between them or in a file, one a line.

    Raises:
        ValueError: Nobody knows the name, or a number is not in 1 ... 255.
    """
    if name.isdigit():
        count = int(name)
        if not 1 <= count <= 255:
            raise ValueError(f'there are 1 to 255 classes; got {count}.')
        names = ['background', *(f'class {i}' for i in range(1, count))]
        return names, voc_palette()[:count].tolist()
    if ',' in name or os.path.isfile(name):
        named = read_lines(name) if os.path.isfile(name) else name.split(',')
        names = [each.strip() for each in named]
        return names, voc_palette()[: len(names)].tolist()
    known = getattr(DATASETS.get(name), 'METAINFO', {})
    if 'classes' in known:
        return list(known['classes']), list(known['palette'])
    try:
        return list(get_classes(name)), list(get_palette(name))
    except ValueError:
        raise ValueError(
            f'no classes are known as {name!r}. Give what mmseg calls the dataset (voc, ade, '
            'cityscapes), a dataset class (ShapesDataset), a number of classes, or a,b,c.'
        ) from None
