"""Image, CAMs and seeds of one image side by side, as in Figure 1 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps

from .picture_grid import picture_grid


def overlay_cam(image: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """Paints a CAM over its image.

    Args:
        image: (H, W, 3) uint8, RGB.
        cam: (H, W) in [0, 1].

    Returns:
        (H, W, 3) uint8, RGB.
    """
    heat = colormaps['jet'](cam)[..., :3] * 255
    return (image * 0.45 + heat * 0.55).astype(np.uint8)


def seed_sheet(
    rows: Sequence[Mapping[str, np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    title: str = '',
    cell_inches: float = 2.1,
) -> np.ndarray:
    """Draws rows of titled pictures, with a legend of the labels that occur.

    Args:
        rows: Each row's pictures by title; they and the rest as in :func:`picture_grid`.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        ValueError: Nothing to draw.
    """
    if not rows or not all(rows):
        raise ValueError('a seed sheet needs at least one picture in each row.')
    return picture_grid(
        [list(row.items()) for row in rows],
        classes,
        palette,
        title=title,
        cell_inches=cell_inches,
    )
