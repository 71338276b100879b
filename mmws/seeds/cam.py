"""Class activation maps as arrays: normalise (Eq. 3), upsample, merge scales."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmws.files.image_file import BadInputError

# The smallest maximum that is divided by, as in the author's code.
_SMALLEST_MAXIMUM = 1e-5

MERGES = ('max', 'mean')


def normalize_cam(cam: np.ndarray) -> np.ndarray:
    """Take the positive part of each class map and divide it by its maximum (Eq. 3).

    From (M, H, W) of any sign to float32 in [0, 1]; a class without positive response stays all
    zero. The paper normalises at the network's output size and upsamples afterwards.

    Raises:
        BadInputError: Values that are not finite.
    """
    cam = np.asarray(cam, np.float32)
    if bad := np.count_nonzero(~np.isfinite(cam)):
        raise BadInputError(
            f'{bad} of {cam.size} CAM values are NaN or infinite: did the training of this '
            'classifier diverge?'
        )
    positive = np.maximum(cam, 0)
    highest = positive.max(axis=(1, 2), keepdims=True, initial=0)
    return positive / np.maximum(highest, _SMALLEST_MAXIMUM)


def upsample_cam(cam: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize maps (M, h, w) bilinearly with aligned corners (the author's ``align_corners=True``).

    Returns:
        (M, H, W) float32, in the range of the input.
    """
    cam = np.asarray(cam, np.float32)
    lowest, highest = cam.min(initial=0), cam.max(initial=0)
    for axis, length in enumerate(size, start=1):
        low, weight = _sample_points(cam.shape[axis], length)
        below = cam.take(low, axis)
        above = cam.take(np.minimum(low + 1, cam.shape[axis] - 1), axis)
        above -= below
        above *= weight[:, None] if axis == 1 else weight
        above += below
        cam = above
    # Rounding may leave the range of the input by a unit in the last place.
    return cam.clip(lowest, highest, out=cam)


def merge_cams(cams: Sequence[np.ndarray], mode: str) -> np.ndarray:
    """Fuse normalised CAMs of several scales into one set (Table 3, Merge-Scale).

    All are (M, H, W) in [0, 1] at the image's size, and ``mode`` is ``'max'`` or ``'mean'``. What
    comes out is normalised again, float32: a class's highest value is 1.
    """
    stack = np.asarray(cams, np.float32)
    return normalize_cam(stack.max(0) if mode == 'max' else stack.mean(0))


def _sample_points(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the source cell below each target cell, and the weight of the next one."""
    points = np.linspace(0, source - 1, target) if target > 1 else np.zeros(1)
    low = np.minimum(points.astype(np.intp), max(source - 2, 0))
    return low, (points - low).astype(np.float32)
