"""Image, CAMs and seeds of one image side by side, as in Figure 1 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .label_colours import colour_labels, legend_patches


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
    """Draws rows of titled pictures of one size, with a legend of the labels that occur.

    Args:
        rows: Each row's titles and pictures: (H, W, 3) uint8 RGB, or (H, W) uint8 label maps.
        classes: Names of the labels, background first.
        palette: RGB of each label.
        title: Above everything.
        cell_inches: Width of a cell, at 100 dots per inch.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        ValueError: Nothing to draw.
    """
    if not rows or not all(rows):
        raise ValueError('a seed sheet needs at least one picture in each row.')
    columns = max(map(len, rows))
    height, width = next(iter(rows[0].values())).shape[:2]
    cell_height = cell_inches * height / width + 0.28
    size = (cell_inches * columns, cell_height * len(rows) + 0.85)
    figure = Figure(figsize=size, dpi=100)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for row, pictures in enumerate(rows):
        for column, (name, picture) in enumerate(pictures.items()):
            if picture.ndim == 2:
                picture = colour_labels(picture, palette)
            axes[row, column].imshow(picture, interpolation='nearest')
            axes[row, column].set_title(name, fontsize=8, pad=3)
    shown = [picture for pictures in rows for picture in pictures.values()]
    handles = legend_patches(shown, classes, palette)
    figure.suptitle(title, fontsize=10, y=1 - 0.08 / size[1])
    figure.subplots_adjust(
        left=0.01,
        right=0.99,
        bottom=0.4 / size[1],
        top=1 - 0.45 / size[1],
        wspace=0.04,
        hspace=0.28 / (cell_height - 0.28),
    )
    if handles:
        figure.legend(handles=handles, loc='lower center', ncols=min(len(handles), 8), fontsize=8)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
