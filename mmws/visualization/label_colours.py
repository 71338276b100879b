"""Colours of labels, and legends that say what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.patches import Patch

from mmws.files.label_map import UNKNOWN

_UNKNOWN_COLOUR = (224, 224, 192)


def colour_labels(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paints a label map.

    Args:
        labels: (H, W) uint8; 255 is unknown and painted pale.
        palette: RGB of each class.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    table[UNKNOWN] = _UNKNOWN_COLOUR
    return table[labels]


def legend_patches(
    pictures: Iterable[np.ndarray], classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> list[Patch]:
    """What the colours of some pictures mean: matplotlib's handles for a legend.

    Args:
        pictures: (H, W) uint8 label maps; others are skipped.
        classes: Names of the labels, background first; a label without a name is left out.
        palette: RGB of each class.
    """
    occurring: set[int] = set()
    for picture in pictures:
        if picture.ndim == 2:
            occurring |= set(np.unique(picture).tolist())
    names = {**dict(enumerate(classes)), UNKNOWN: 'unknown'}
    return [
        Patch(
            facecolor=colour_labels(np.uint8([[label]]), palette)[0, 0] / 255,
            edgecolor='grey',
            label=names[label],
        )
        for label in sorted(occurring)
        if names.get(label)
    ]
