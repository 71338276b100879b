"""How much of the weight of the seeds goes to right labels."""

from __future__ import annotations

import numpy as np

from mmws.files.label_map import UNKNOWN


def right_weight_sums(
    weights: np.ndarray, seeds: np.ndarray, gt: np.ndarray, num_classes: int
) -> np.ndarray:
    """Sums, by class of the ground truth, the share of weight that lies on the right label.

    At each pixel it is the weight of the seeds that say what the ground truth says, divided by the
    weight of those that know the pixel. Pixels that no seed or no ground truth knows do not count.

    Args:
        weights: (K, H, W) floats >= 0.
        seeds: (K, H, W) uint8, 255 unknown.
        gt: (H, W) uint8, 255 unknown.
        num_classes: C.

    Returns:
        (C, 2) float64: the sum of the shares, and the number of pixels.
    """
    known = np.where(seeds != UNKNOWN, weights, 0).sum(0, dtype=np.float64)
    right = np.where(seeds == gt, weights, 0).sum(0, dtype=np.float64)
    counted = (gt != UNKNOWN) & (known > 0)
    classes, shares = gt[counted], right[counted] / known[counted]
    return np.stack(
        [
            np.bincount(classes, shares, minlength=num_classes),
            np.bincount(classes, minlength=num_classes),
        ],
        axis=1,
    )


def right_weight_shares(sums: np.ndarray) -> tuple[float, float]:
    """From the sums of :func:`right_weight_sums`: over all pixels, and the mean over the classes.

    Most pixels are background, which nearly every seed gets right: the second number says how
    objects fare.

    Args:
        sums: (C, 2); classes without pixels are left out of the mean.

    Returns:
        Two shares in [0, 1]; NaN where there is no pixel at all.
    """
    shares, pixels = sums.T
    seen = pixels > 0
    if not seen.any():
        return float('nan'), float('nan')
    return float(shares.sum() / pixels.sum()), float((shares[seen] / pixels[seen]).mean())
