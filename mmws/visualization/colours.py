"""Arrays as (H, W, 3) uint8 RGB pictures: labels, weights, class activation maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Patch

from mmws.files.label_map import UNKNOWN, label_colours


def colour_labels(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Paint a label map, (H, W) uint8, by the RGB of each class; 255 is unknown and pale."""
    return label_colours(palette)[labels]


def colour_weights(weights: np.ndarray, highest: float) -> np.ndarray:
    """Paint weights, (H, W) floats >= 0: dark is 0, bright is ``highest``."""
    return _mapped('viridis', np.clip(weights / max(highest, 1e-12), 0, 1)).astype(np.uint8)


def overlay_cam(image: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """Paint a CAM, (H, W) in [0, 1], over its image, (H, W, 3) uint8."""
    return (image * 0.45 + _mapped('jet', cam) * 0.55).astype(np.uint8)


def _mapped(name: str, values: np.ndarray) -> np.ndarray:
    return colormaps[name](values)[..., :3] * 255


def legend_patches(
    pictures: Iterable[np.ndarray], classes: Sequence[str], palette: Sequence[Sequence[int]]
) -> list[Patch]:
    """Give matplotlib's handles for a legend of the labels in some pictures.

    Pictures that are no label maps, (H, W) uint8, are skipped, and labels without a name. Names and
    palette begin with the background.
    """
    occurring = {int(i) for p in pictures if p.ndim == 2 for i in np.unique(p)}
    names = {**dict(enumerate(classes)), UNKNOWN: 'unknown'}
    colours = label_colours(palette) / 255
    return [
        Patch(facecolor=colours[label], edgecolor='grey', label=names[label])
        for label in sorted(occurring)
        if names.get(label)
    ]
