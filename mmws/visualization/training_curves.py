"""What several trainings logged, over their iterations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def right_weight_curves(panels: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> np.ndarray:
    """Draws the share of weight that right labels get, one panel a group of trainings.

    Args:
        panels: Title -> label of a training -> what
            :func:`mmws.experiments.training_run.training_log` found, of which the records of
            :class:`RightWeightHook` are drawn. The plain average, which never changes, is drawn
            once a panel.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    figure = Figure(figsize=(5.5 * min(2, len(panels)), 3.4 * -(-len(panels) // 2)), dpi=100)
    figure.set_layout_engine('constrained')
    axes = figure.subplots(-(-len(panels) // 2), min(2, len(panels)), squeeze=False).ravel()
    named: dict[str, Artist] = {}
    for axis, (title, trainings) in zip(axes, panels.items(), strict=False):
        for number, (label, records) in enumerate(trainings.items()):
            found = [r for r in records if 'right_weight/classes' in r]
            if not found:
                continue
            steps = [r['step'] for r in found]
            (named[label],) = axis.plot(
                steps, [100 * r['right_weight/classes'] for r in found], color=f'C{number}'
            )
            (named['plain average'],) = axis.plot(
                steps, [100 * r['right_weight/classes_plain'] for r in found], '--', color='grey'
            )
        axis.set(title=title, xlabel='iteration', ylabel='weight on right labels (%)')
        axis.grid(color='#dddddd')
        axis.spines[['top', 'right']].set_visible(False)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if named:
        figure.legend(
            named.values(), named, loc='outside lower center', ncols=len(named), frameon=False
        )
    return drawn(figure)


def drawn(figure: Figure) -> np.ndarray:
    """Draw a figure: (height, width, 3) uint8, RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
