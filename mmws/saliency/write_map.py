"""Refine a saliency map and write it."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.seeds.crf import crf_probabilities


@dataclass(frozen=True)
class MapJob:
    """A saliency map that is to be refined and written.

    Attributes:
        saliency: (H, W) float32 in [0, 1].
        file: Where to write it.
        image: (H, W, 3) uint8, RGB; None if no CRF is wanted.
        crf: Options of the CRF.
    """

    saliency: np.ndarray
    file: str | os.PathLike
    image: np.ndarray | None = None
    crf: dict | None = None


def write_map(job: MapJob) -> bool:
    """Refine a map if that is wanted, and write it; runs in worker processes.

    Returns:
        Whether the map that was given has no contrast.

    Raises:
        OSError: It cannot be written.
        ValueError: It holds values that are not finite.
    """
    saliency = job.saliency
    if job.image is not None:
        saliency = refine_saliency(job.image, saliency, **(job.crf or {}))
    write_atomically(job.file, encode_map(saliency))
    return bool(job.saliency.min() == job.saliency.max())


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


def encode_map(saliency: np.ndarray) -> bytes:
    """Encode a map as 8-bit grey PNG, 255 being 1; the same map gives the same bytes.

    Args:
        saliency: (H, W) floats in [0, 1].

    Raises:
        ValueError: There is a value that is not finite.
    """
    if not np.isfinite(saliency).all():
        raise ValueError('a saliency map must be finite to be written; this one holds NaN or inf.')
    levels = np.rint(np.clip(saliency, 0, 1) * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, 'PNG')
    return stream.getvalue()


def shrink(image: np.ndarray, longest: int | None) -> np.ndarray:
    """Shrink an image if its longer side exceeds ``longest`` pixels."""
    height, width = image.shape[:2]
    if longest is None or max(height, width) <= longest:
        return image
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
