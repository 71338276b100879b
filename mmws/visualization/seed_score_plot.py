"""The scores of seeds as a picture: bars, who agrees with whom, and the CAM threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def seed_score_plot(
    names: Sequence[str],
    miou: Sequence[float],
    agreement: np.ndarray,
    *,
    references: Mapping[str, float] | None = None,
    sweep: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> np.ndarray:
    """Draws the mIoU of each seed, the pairwise agreement, and mIoU over the CAM threshold.

    Args:
        names: Of the K seeds.
        miou: Of the K seeds, in [0, 1].
        agreement: (K, K) in [0, 1].
        references: Name -> mIoU of what the seeds are compared with, drawn as lines.
        sweep: Name -> thresholds and their mIoU; without it that panel is left out.

    Returns:
        (height, width, 3) uint8, RGB.
    """
    seeds = len(names)
    panels = 3 if sweep else 2
    side = max(3.6, 0.34 * seeds + 1.4)
    figure = Figure(figsize=(side * panels + 1.6, side + 1.6), dpi=100, layout='constrained')
    axes = figure.subplots(1, panels)

    bars = axes[0]
    bars.barh(range(seeds), np.asarray(miou) * 100, color='#4c78a8')
    for row, value in enumerate(miou):
        bars.text(0, row, f' {value * 100:.1f}', va='center', fontsize=7, color='white')
    styles = ('--', ':', '-.')
    for index, (name, value) in enumerate((references or {}).items()):
        bars.axvline(
            value * 100,
            color='#333333',
            linestyle=styles[index % len(styles)],
            label=f'{name} {value * 100:.1f}',
        )
    highest = max([*miou, *(references or {}).values(), 0.01]) * 100
    bars.set_xlim(0, highest * 1.15)
    bars.set_yticks(range(seeds), names, fontsize=7)
    bars.invert_yaxis()
    bars.set_title('mIoU of each seed (%)', fontsize=9)
    if references:
        bars.legend(fontsize=7, loc='upper center', bbox_to_anchor=(0.5, -0.12), ncols=1)

    grid = axes[1]
    image = grid.imshow(agreement * 100, cmap='viridis', vmin=np.nanmin(agreement) * 100, vmax=100)
    grid.set_xticks(range(seeds), names, rotation=90, fontsize=7)
    grid.set_yticks(range(seeds), names, fontsize=7)
    grid.set_title('Agreement of each two (% of pixels both know)', fontsize=9)
    figure.colorbar(image, ax=grid, shrink=0.7)

    if sweep:
        curve = axes[2]
        for name, (thresholds, values) in sweep.items():
            curve.plot(thresholds, np.asarray(values) * 100, marker='.', label=name)
        curve.set_xlabel('CAM threshold', fontsize=8)
        curve.set_title('mIoU by CAM threshold (%)', fontsize=9)
        curve.grid(alpha=0.3)
        curve.legend(fontsize=7)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
