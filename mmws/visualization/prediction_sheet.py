"""Pictures side by side: images, label maps, predictions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .label_colours import colour_labels, legend_patches


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
    first = next(iter(columns.values()))
    heights = [cell_inches * picture.shape[0] / picture.shape[1] for picture in first]
    width = cell_inches * len(columns)
    shown = [picture for maps in columns.values() for picture in maps]
    handles = legend_patches(shown, classes, palette)
    # Inches: an entry of the legend is at most as wide as the longest name of VOC.
    per_line = max(1, min(len(handles), int(width / 1.15)))
    below = 0.2 + 0.2 * math.ceil(len(handles) / per_line)
    height = sum(heights) + 0.5 + below
    figure = Figure(figsize=(width, height), dpi=100)
    axes = figure.subplots(rows, len(columns), squeeze=False, height_ratios=heights)
    for column, (title, maps) in enumerate(columns.items()):
        axes[0, column].set_title(textwrap.fill(title, 18), fontsize=8)
        for row, picture in enumerate(maps):
            if picture.ndim == 2:
                picture = colour_labels(picture, palette)
            axes[row, column].imshow(picture, interpolation='nearest')
            axes[row, column].set_axis_off()
    figure.subplots_adjust(0.005, below / height, 0.995, 1 - 0.5 / height, wspace=0.03, hspace=0.03)
    if handles:
        figure.legend(handles=handles, loc='lower center', ncols=per_line, fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
