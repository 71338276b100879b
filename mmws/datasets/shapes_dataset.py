"""The Shapes data as an mmseg dataset."""

from __future__ import annotations

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .shapes import SHAPES_CLASSES


@DATASETS.register_module()
class ShapesDataset(BaseSegDataset):
    """The synthetic Shapes data in VOC layout, as ``tools/make_shapes.py`` writes it.

    Background and five classes; JPEG images, PNG label maps.
    """

    METAINFO = dict(
        classes=SHAPES_CLASSES,
        palette=[
            [0, 0, 0],
            [236, 92, 62],
            [40, 110, 220],
            [250, 220, 60],
            [150, 50, 170],
            [15, 150, 120],
        ],
    )
