"""Refine a saliency map and write it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.seeds.crf import crf_probabilities


def write_map(
    saliency: np.ndarray, file: Path, image: np.ndarray | None = None, crf: dict | None = None
) -> bool:
    """Write a map as 8-bit grey PNG, 255 being 1; runs in worker processes.

    Args:
        saliency: (H, W) float32 in [0, 1].
        file: Where to write it.
        image: (H, W, 3) uint8, RGB.
        crf: Refine the map by a DenseCRF of two labels with these options.

    Returns:
        Whether the map that was given has no contrast.
    """
    flat = bool(saliency.min() == saliency.max())
    if crf is not None:
        saliency = refine_saliency(image, saliency, **crf)
    stream = io.BytesIO()
    Image.fromarray(np.rint(np.clip(saliency, 0, 1) * 255).astype(np.uint8)).save(stream, 'PNG')
    write_atomically(file, stream.getvalue())
    return flat


def refine_saliency(image: np.ndarray, saliency: np.ndarray, **crf: float) -> np.ndarray:
    """Compute the probability of being salient after a DenseCRF with two labels.

    Args:
        image: (H, W, 3) uint8, RGB.
        saliency: (H, W) in [0, 1], taken as that probability before.
        **crf: As in :func:`mmws.seeds.crf.crf_probabilities`.

    Returns:
        (H, W) float32.
    """
    scores = np.stack([1 - saliency, saliency])[None]
    return crf_probabilities(np.ascontiguousarray(image), scores, **crf)[0, 1]
