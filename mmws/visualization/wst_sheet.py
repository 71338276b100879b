"""The seeds of one image and how far WST believes them, as in Figure 4 of the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps

from .seed_sheet import seed_sheet

_PER_ROW = 6


def colour_weights(weights: np.ndarray, highest: float) -> np.ndarray:
    """Paints weights: dark is 0, bright is ``highest``.

    Args:
        weights: (H, W) floats >= 0.
        highest: What the brightest colour stands for.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    share = np.clip(weights / max(highest, 1e-12), 0, 1)
    return (colormaps['viridis'](share)[..., :3] * 255).astype(np.uint8)


def wst_sheet(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    seeds: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    *,
    title: str = '',
) -> np.ndarray:
    """Draws the image beside maps of it, and below each seed its weights.

    Args:
        image: (H, W, 3) uint8, RGB.
        maps: Title -> (H, W) uint8 labels, 255 unknown: the online prediction and what to
            compare it with.
        seeds: Name -> (H, W) uint8 labels, 255 unknown.
        weights: Name -> (H, W) floats in [0, 1], of :func:`mmws.models.wst_weights`.
        classes: Names of the labels, background first.
        palette: RGB of each label.
        title: Above everything, before what the colours of the weights mean.

    Returns:
        (height, width, 3) uint8, RGB.

    Raises:
        ValueError: No seed, or a seed without weights.
    """
    if not seeds or set(seeds) != set(weights):
        raise ValueError(
            f'each seed needs its weights; got seeds {sorted(seeds)} and weights {sorted(weights)}.'
        )
    highest = max(float(weight.max()) for weight in weights.values())
    rows: list[dict[str, np.ndarray]] = [{'image': image, **maps}]
    names = list(seeds)
    for start in range(0, len(names), _PER_ROW):
        row = names[start : start + _PER_ROW]
        rows.append({name: seeds[name] for name in row})
        rows.append({f'weight of {name}': colour_weights(weights[name], highest) for name in row})
    scale = f'weights: dark 0, bright {highest:.2f}; equal weights would be {1 / len(names):.2f}'
    return seed_sheet(
        rows, classes, palette, title=f'{title}; {scale}' if title else scale, cell_inches=2.15
    )
