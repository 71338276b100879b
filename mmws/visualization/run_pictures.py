"""Pictures of one training: curves, and what is taken for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .picture_grid import pixels_of

# A curve is drawn as the means of so many parts.
_POINTS = 200


def curves(panels: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Draw one panel for all values of a quantity, in order: (height, width, 3) uint8, RGB."""
    figure = Figure(figsize=(3.6 * len(panels), 2.6), dpi=100, layout='constrained')
    for axis, (title, values) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        parts = np.array_split(np.asarray(values, float), min(_POINTS, len(values)))
        ends = np.cumsum([len(part) for part in parts])
        axis.plot(ends, [part.mean() for part in parts], marker='.' if len(parts) < 30 else '')
        axis.set_title(title)
        axis.grid(color='#dddddd')
        axis.spines[['top', 'right']].set_visible(False)
    return pixels_of(figure)


def confusion_picture(counts: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """Draw what share of each class is taken for what: (height, width, 3) uint8, RGB.

    The counts (C, C) are pixels of the class in the ground truth (row) and in the prediction.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 2 + 0.3 * len(classes)
    figure = Figure(figsize=(side, side), dpi=100, layout='constrained')
    axis = figure.subplots()
    axis.imshow(shares, cmap='Blues', vmin=0, vmax=1)
    axis.set_xticks(range(len(classes)), classes, rotation=90)
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel='prediction', ylabel='ground truth')
    for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
        share = shares[row, column]
        style = dict(
            ha='center', va='center', fontsize=6, color='white' if share > 0.5 else 'black'
        )
        axis.text(column, row, f'{100 * share:.0f}', **style)
    return pixels_of(figure)
