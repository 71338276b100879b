"""Loss and mIoU of several trainings over their epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def training_curves(trainings: Mapping[str, Sequence[Mapping]]) -> np.ndarray:
    """Draws the losses on the left and the mIoU on held-out images on the right.

    Args:
        trainings: Title -> what :func:`mmws.experiments.cell_run.training_log` found: records with
            ``loss`` and ``step``, and records with ``mIoU`` and ``step``.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    figure = Figure(figsize=(11, 4.2), dpi=100, layout='constrained')
    left, right = figure.subplots(1, 2)
    for title, records in trainings.items():
        losses = [(r['step'], r['loss']) for r in records if 'loss' in r]
        scores = [(r['step'], r['mIoU']) for r in records if 'mIoU' in r]
        (line,) = left.plot(*np.array(losses).reshape(-1, 2).T, linewidth=1.2, label=title)
        right.plot(*np.array(scores).reshape(-1, 2).T, 'o-', markersize=4, color=line.get_color())
    left.set(xlabel='iteration', title='Training loss (of each its own labels)')
    right.set(xlabel='epoch', title='mIoU on held-out images (%)')
    right.xaxis.get_major_locator().set_params(integer=True)
    for axis in (left, right):
        axis.grid(color='#dddddd')
        axis.spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside lower center', ncols=3, frameon=False)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
