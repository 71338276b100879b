"""From CAMs and saliency to label maps: the threshold seed and the CRF seeds (section 4.2).

Class c of the classifier is label c + 1, because label 0 is background.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmws.files.label_map import BACKGROUND, UNKNOWN

from .crf import refine_with_crf

_MOST_CLASSES = UNKNOWN - 1  # labels 1..254


@dataclass(frozen=True)
class ThresholdOptions:
    """The numbers of the threshold seed, see :func:`threshold_seed`.

    Raises:
        ValueError: A threshold that leaves nothing, or makes everything foreground or background.
    """

    foreground: float = 0.1
    background: float = 0.06
    sparse_fallback: bool = False

    def __post_init__(self) -> None:
        check_share("the threshold seed's foreground", self.foreground)
        check_share("the threshold seed's background", self.background, zero=False)


def check_share(name: str, value: float, *, zero: bool = True) -> None:
    """Refuse, by a ValueError, what is not a number in [0, 1), or without ``zero`` in (0, 1)."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1 or (value == 0 and not zero):
        bound = 'at least 0' if zero else 'above 0'
        raise ValueError(
            f'{name} must be a share, {bound} and below 1 (not percent or 0..255); got {value!r}.'
        )


def label_ids(class_ids: Sequence[int]) -> np.ndarray:
    """Turn an image's class ids, from 0 and without background, into labels, id + 1: (M,) uint8.

    Raises:
        ValueError: A class twice, or outside [0, 253].
    """
    ids = np.asarray(class_ids, np.int64).reshape(-1)
    if len(set(ids.tolist())) != len(ids) or (ids < 0).any() or (ids >= _MOST_CLASSES).any():
        raise ValueError(
            f'class ids must be distinct and lie in [0, {_MOST_CLASSES - 1}], background not '
            f'among them; got {ids.tolist()}.'
        )
    return (ids + 1).astype(np.uint8)


def saliency_to_float(saliency: np.ndarray) -> np.ndarray:
    """Bring a saliency map (H, W) to [0, 1]: 8-bit values by division, floats are checked."""
    saliency = np.asarray(saliency)
    if saliency.ndim != 2:
        raise ValueError(f'a saliency map must be (H, W); got {saliency.shape}.')
    if saliency.dtype == np.uint8:
        return saliency.astype(np.float32) / np.float32(255)
    saliency = saliency.astype(np.float32)
    if saliency.size and not (saliency.min() >= 0 and saliency.max() <= 1):  # NaN fails too
        raise ValueError(
            f'a saliency map of floats must lie in [0, 1]; found [{saliency.min()}, '
            f'{saliency.max()}]. Give 8-bit maps as uint8.'
        )
    return saliency


def saliency_from_cam(cam: np.ndarray, alpha: float) -> np.ndarray:
    """Make a saliency map where there is none: 1 - (1 - max CAM)^alpha, (H, W) float32 in [0, 1].

    Its complement is the background score of PSA (alpha 4 and 32) and its successors. The higher
    ``alpha`` > 0, the less becomes background. The CAMs are (M, H, W) in [0, 1], M >= 1.
    """
    return 1 - (1 - cam.max(0)) ** np.float32(alpha)


def salient_share(saliency: np.ndarray, background: float = 0.06) -> float:
    """Measure the share of pixels that the threshold rule does not call background."""
    saliency = saliency_to_float(saliency)
    return np.count_nonzero(saliency >= background) / max(saliency.size, 1)


def threshold_seed(
    cam: np.ndarray,
    saliency: np.ndarray,
    class_ids: Sequence[int],
    *,
    foreground: float = 0.1,
    background: float = 0.06,
    sparse_fallback: bool = False,
    sparse_share: float = 0.01,
) -> np.ndarray:
    """Label only what CAM and saliency are sure of (section 4.2).

    A pixel with CAM > ``foreground`` is foreground: the class with the highest CAM, of equal ones
    the first. A pixel with saliency < ``background`` is background. Both or neither: unknown.
    Without any class all is background.

    Args:
        cam: (M, H, W) in [0, 1], the present classes.
        saliency: (H, W), uint8 or floats in [0, 1].
        class_ids: (M,) class of each map, from 0, without background.
        foreground: Threshold of the paper: 0.1.
        background: Threshold of the paper: 0.06, which is an 8-bit value of 15 or less.
        sparse_fallback: The author's rule (ICD) for images in which saliency finds less than
            ``sparse_share``: there, background must have no CAM at all, so that objects which
            saliency missed are not called a conflict.
        sparse_share: The share of pixels below which the fallback acts.

    Returns:
        (H, W) uint8: 0 background, class id + 1, 255 unknown.

    Raises:
        ValueError: Shapes that do not fit, bad class ids, or thresholds that are no shares.
    """
    ThresholdOptions(foreground, background, sparse_fallback)  # checks them
    labels = label_ids(class_ids)
    saliency = _fitting(saliency, cam, labels)
    is_background = saliency < background
    if not len(labels):
        return np.full(saliency.shape, BACKGROUND, np.uint8)
    highest = cam.max(0)
    is_foreground = highest > foreground
    if sparse_fallback and salient_share(saliency, background) < sparse_share:
        is_background &= highest <= 0
    seed = np.full(saliency.shape, UNKNOWN, np.uint8)
    seed[is_background & ~is_foreground] = BACKGROUND
    only_foreground = is_foreground & ~is_background
    seed[only_foreground] = labels[cam.argmax(0)[only_foreground]]
    return seed


def crf_seeds(
    image: np.ndarray,
    cams: np.ndarray,
    saliency: np.ndarray,
    class_ids: Sequence[int],
    **crf_options,
) -> np.ndarray:
    """Label every pixel with the winner of a dense CRF (section 4.2), G CAM sets at once.

    The scores are 1 - saliency for background and the CAMs for the classes, of the present ones
    only.

    Args:
        image: (H, W, 3) uint8, RGB, as decoded.
        cams: (G, M, H, W) in [0, 1].
        saliency: (H, W) for all sets or (G, H, W), uint8 or floats in [0, 1].
        class_ids: (M,) class of each map, from 0, without background.
        **crf_options: As in :func:`mmws.seeds.crf.refine_with_crf`.

    Returns:
        (G, H, W) uint8: 0 background or class id + 1, no unknown.

    Raises:
        ValueError: Shapes or values that do not fit.
    """
    labels = np.concatenate([np.uint8([BACKGROUND]), label_ids(class_ids)])
    cams = np.asarray(cams, np.float32)
    scores = np.empty((len(cams), len(labels), *cams.shape[2:]), np.float32)
    maps = saliency if np.ndim(saliency) == 3 else [saliency] * len(cams)
    for score, cam, saliency_map in zip(scores, cams, maps, strict=True):
        saliency_map = _fitting(saliency_map, cam, labels[1:])
        np.subtract(1, saliency_map, out=score[0])
        score[1:] = cam
    return labels[refine_with_crf(image, scores, **crf_options)]


def _fitting(saliency: np.ndarray, cam: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Bring a map to [0, 1], and refuse CAMs that are not one of its size for each label."""
    saliency = saliency_to_float(saliency)
    if np.shape(cam) != (len(labels), *saliency.shape):
        raise ValueError(
            f'the saliency map is {saliency.shape} and the CAMs are {np.shape(cam)}; expected '
            "(H, W) and (M, H, W) of the image's size, with one CAM for each of the "
            f'{len(labels)} present classes.'
        )
    return saliency
