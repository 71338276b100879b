"""Pictures side by side: images, label maps, predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .picture_grid import picture_grid


def prediction_sheet(
    columns: Mapping[str, Sequence[np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    cell_inches: float = 1.5,
) -> np.ndarray:
    """Draws one row per image and one titled column per source, with a legend of the classes.

    Args:
        columns: Title -> maps in the same order in every column: (H, W, 3) uint8 RGB images, or
            (H, W) uint8 label maps.
        classes: Names, for the legend; those that occur in no map are left out.
        palette: RGB of each class.
        cell_inches: Width of a cell; at 100 dots per inch.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    rows = len(next(iter(columns.values())))
    if any(len(maps) != rows for maps in columns.values()):
        lengths = {title: len(maps) for title, maps in columns.items()}
        raise ValueError(f'columns must be equally long; got {lengths}.')
    return picture_grid(
        [
            [(title if row == 0 else '', maps[row]) for title, maps in columns.items()]
            for row in range(rows)
        ],
        classes,
        palette,
        cell_inches=cell_inches,
    )
