"""Rows of titled pictures above a legend; nothing overlaps or leaves the sheet."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .colours import colour_labels, legend_patches

_DPI = 100
_TITLE_POINTS, _SMALL_POINTS = 10, 8
# Parts of a picture's cell that it fills; the rest keeps neighbours apart.
_FILLED = 0.97
_LONGEST = 2000

# A row of titled pictures: (H, W, 3) uint8 RGB, or (H, W) uint8 label maps.
Row = Sequence[tuple[str, np.ndarray]]


def prediction_sheet(
    columns: Mapping[str, Sequence[np.ndarray]],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> np.ndarray:
    """Draw one row per image and one titled column per source, as :func:`picture_grid`.

    The columns hold pictures in the same order.
    """
    rows = [list(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    rows[1:] = [[('', picture) for _, picture in row] for row in rows[1:]]
    return picture_grid(rows, classes, palette, cell_inches=1.5)


def picture_grid(
    rows: Sequence[Row],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    title: str = '',
    cell_inches: float = 2.1,
) -> np.ndarray:
    """Draw rows of pictures with their titles, and a legend of the labels that occur.

    Long titles are broken into lines, the legend into as many as it needs; the sheet grows.

    Args:
        rows: At least one, each of at least one picture.
        classes: Names of the labels, background first; ``palette`` has their RGB.
        title: Above everything.
        cell_inches: Width of a cell, at 100 dots per inch.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    width = cell_inches * max(map(len, rows))
    title = _wrap(title, 0.97 * width, _TITLE_POINTS)
    names = [[_wrap(name, _FILLED * cell_inches, _SMALL_POINTS) for name, _ in row] for row in rows]
    above = [max(_height(name, _SMALL_POINTS) for name in row) for row in names]
    heights = [
        cell_inches * max(picture.shape[0] / picture.shape[1] for _, picture in row) for row in rows
    ]
    handles = legend_patches([picture for row in rows for _, picture in row], classes, palette)
    longest = max((len(handle.get_label()) for handle in handles), default=0)
    per_line = max(1, min(len(handles), int(width / (0.56 + _text_width(longest, _SMALL_POINTS)))))
    below = 0.25 + 0.175 * math.ceil(len(handles) / per_line) if handles else 0.05
    height = _height(title, _TITLE_POINTS) + sum(above) + sum(heights) + below
    height = round(height * _DPI) / _DPI
    figure = Figure(figsize=(width, height), dpi=_DPI)
    if title:
        figure.suptitle(title, fontsize=_TITLE_POINTS, y=1 - 0.05 / height, va='top')
    bottom = height - _height(title, _TITLE_POINTS)
    for row, row_names, row_above, row_height in zip(rows, names, above, heights, strict=True):
        bottom -= row_above + row_height
        for column, ((_, picture), name) in enumerate(zip(row, row_names, strict=True)):
            left = cell_inches * (column + (1 - _FILLED) / 2)
            size = cell_inches * _FILLED / width, row_height * _FILLED / height
            axes = figure.add_axes((left / width, bottom / height, *size))
            # Of huge images the sheet shows every n-th pixel.
            step = max(1, max(picture.shape[:2]) // _LONGEST)
            picture = picture[::step, ::step]
            if picture.ndim == 2:
                picture = colour_labels(picture, palette)
            axes.imshow(picture, interpolation='nearest')
            axes.set_anchor('N')
            axes.set_axis_off()
            axes.set_title(name, fontsize=_SMALL_POINTS, pad=3)
    if handles:
        figure.legend(handles=handles, loc='lower center', ncols=per_line, fontsize=_SMALL_POINTS)
    return pixels_of(figure)


def pixels_of(figure: Figure) -> np.ndarray:
    """Draw a figure of matplotlib: (height, width, 3) uint8, RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _wrap(text: str, inches: float, points: int) -> str:
    return textwrap.fill(text, max(1, int(inches / _text_width(1, points))))


def _text_width(characters: int, points: int) -> float:
    """Inches that a text of matplotlib's sans serif takes; rather too many than too few."""
    return 0.58 * points / 72 * characters


def _height(text: str, points: int) -> float:
    """Inches that a title takes, with the space around it; 0 without one."""
    return 1.3 * points / 72 * (text.count('\n') + 1) + 0.08 if text else 0.0
