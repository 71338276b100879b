"""Scores of seeds and of predictions, and what trainings logged, as plots.

A plot is (height, width, 3) uint8, RGB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .picture_grid import pixels_of

# A curve is drawn as the means of so many parts.
_POINTS = 200


def seed_score_plot(
    names: Sequence[str],
    miou: Sequence[float],
    agreement: np.ndarray,
    *,
    references: Mapping[str, float],
    sweep: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> np.ndarray:
    """Draw the mIoU of each seed, the pairwise agreement, and mIoU over the CAM threshold.

    Args:
        names, miou: Of the K seeds, in [0, 1].
        agreement: (K, K) in [0, 1].
        references: Name -> mIoU of what the seeds are compared with, drawn as lines.
        sweep: Name -> thresholds and their mIoU; without any that panel is left out.
    """
    seeds = len(names)
    panels = 3 if sweep else 2
    side = max(3.6, 0.34 * seeds + 1.4)
    figure = Figure(figsize=(side * panels + 1.6, side + 1.6), dpi=100, layout='constrained')
    bars, grid, *curves = figure.subplots(1, panels)

    bars.barh(range(seeds), np.asarray(miou) * 100, color='#4c78a8')
    for row, value in enumerate(miou):
        bars.text(0, row, f' {value * 100:.1f}', va='center', fontsize=7, color='white')
    for index, (name, value) in enumerate(references.items()):
        style = ('--', ':', '-.')[index % 3]
        label = f'{name} {value * 100:.1f}'
        bars.axvline(value * 100, color='#333333', linestyle=style, label=label)
    bars.set_xlim(0, max([*miou, *references.values(), 0.01]) * 115)
    bars.set_yticks(range(seeds), names, fontsize=7)
    bars.invert_yaxis()
    bars.set_title('mIoU of each seed (%)', fontsize=9)
    bars.legend(fontsize=7, loc='upper center', bbox_to_anchor=(0.5, -0.12), ncols=1)

    image = grid.imshow(agreement * 100, vmin=np.nanmin(agreement) * 100, vmax=100)
    grid.set_xticks(range(seeds), names, rotation=90, fontsize=7)
    grid.set_yticks(range(seeds), names, fontsize=7)
    grid.set_title('Agreement of each two (% of pixels both know)', fontsize=9)
    figure.colorbar(image, ax=grid, shrink=0.7)

    for axis in curves:
        for name, (thresholds, values) in sweep.items():
            axis.plot(thresholds, np.asarray(values) * 100, marker='.', label=name)
        axis.set_xlabel('CAM threshold', fontsize=8)
        axis.set_title('mIoU by CAM threshold (%)', fontsize=9)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return pixels_of(figure)


def right_weight_curves(panels: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> np.ndarray:
    """Draw the share of weight that right labels get, one panel a group of trainings.

    By title and label of a training it is a log, of which the records of :class:`RightWeightHook`
    are drawn. The plain average, which never changes, is drawn once a panel.
    """
    lines, columns = -(-len(panels) // 2), min(2, len(panels))
    figure = Figure(figsize=(5.5 * columns, 3.4 * lines), dpi=100, layout='constrained')
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    named = {}
    for axis, (title, trainings) in zip(axes, panels.items(), strict=False):
        for number, (label, records) in enumerate(trainings.items()):
            found = [r for r in records if 'right_weight/classes' in r]
            steps = [r['step'] for r in found]
            for name, key, style in (
                (label, 'right_weight/classes', f'C{number}-'),
                ('plain average', 'right_weight/classes_plain', 'C7--'),
            ):
                if found:
                    (named[name],) = axis.plot(steps, [100 * r[key] for r in found], style)
        axis.set(title=title, xlabel='iteration', ylabel='weight on right labels (%)')
        axis.grid(color='#dddddd')
        axis.spines[['top', 'right']].set_visible(False)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    if named:
        place = dict(loc='outside lower center', ncols=len(named), frameon=False)
        figure.legend(named.values(), named, **place)
    return pixels_of(figure)


def curves(panels: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Draw one panel for all values of a quantity, in order."""
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
    """Draw what share of each class is taken for what.

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
