"""The seeds of one image and how far WST believes them, as in Figure 4 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmws.files.label_map import UNKNOWN

from .colours import colour_labels, colour_weights
from .picture_grid import picture_grid

_PER_ROW = 6


def wst_sheet(
    maps: Mapping[str, np.ndarray],
    seeds: Mapping[str, np.ndarray],
    weights: np.ndarray,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    title: str,
) -> np.ndarray:
    """Draw the image beside maps of it, and below each seed its weights.

    Args:
        maps: Title -> (H, W, 3) uint8 RGB image, or (H, W) uint8 labels: the first row.
        seeds: Name -> (H, W) uint8 labels, 255 unknown; K of them.
        weights: (K, H, W) floats in [0, 1], of :func:`mmws.models.wst_weights`.
        classes: Names of the labels, background first; ``palette`` has their RGB.
        title: Above everything, before what the colours of the weights mean.
    """
    highest = float(weights.max())
    rows, seeds = [list(maps.items())], list(seeds.items())
    for start in range(0, len(seeds), _PER_ROW):
        row = seeds[start : start + _PER_ROW]
        below = []
        for (name, seed), weight in zip(row, weights[start : start + _PER_ROW], strict=True):
            # What a seed does not know has a share of the weight, too, but teaches nothing.
            unknown = (seed == UNKNOWN)[..., None]
            weight = np.where(
                unknown, colour_labels(seed, palette), colour_weights(weight, highest)
            )
            below.append((f'weight of {name}', weight))
        rows += [row, below]
    scale = f'dark 0, bright {highest:.2f}; equal weights would be {1 / len(seeds):.2f}'
    title = f'{title}; weights: {scale}'
    return picture_grid(rows, classes, palette, title=title, cell_inches=2.15)
