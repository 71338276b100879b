"""How good seeds are, measured with ground truth: counts of one image, which can be added up.

Everything is a table of counts: true label by given label, with one more column for what a seed
leaves unknown. Pixels whose true label is 255 count nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.seed import threshold_seed
from mmws.seeds.vote import UNKNOWN, vote

# What stands below the seeds in a table of scores.
REFERENCES = ('majority vote', 'per-pixel oracle', 'all background')


@dataclass(frozen=True)
class Rates:
    """What a table of counts says; shares in [0, 1], NaN where nothing is counted.

    Attributes:
        iou: (C,) of each class, unknown pixels being misses; NaN for a class that neither the
            ground truth nor the seed has.
        miou: Mean of ``iou`` over the classes that it is defined for, as in mmseg.
        miou_labelled: The same where only the pixels that the seed labels are looked at.
        precision: Share of a label's pixels that are right, mean over the labels that the seed
            gives.
        recall: Share of a class's pixels that are found, mean over the classes of the ground
            truth; unknown pixels are misses.
        coverage: Share of the pixels that the seed labels.
    """

    iou: np.ndarray
    miou: float
    miou_labelled: float
    precision: float
    recall: float
    coverage: float


@dataclass
class SeedScores:
    """Counts over some images.

    Attributes:
        images: Number of images.
        confusion: (K + 3, C, C + 1) int64: of the K seeds, then of :data:`REFERENCES`.
        pixels: Pixels with a true label.
        disputed: Those of them to which two seeds give different labels.
        sweep: Scale -> (T, C, C + 1) int64, of the seeds that T thresholds of the CAM give.
    """

    images: int
    confusion: np.ndarray
    pixels: int
    disputed: int
    sweep: dict[float, np.ndarray] = field(default_factory=dict)

    @classmethod
    def empty(cls, num_seeds: int, num_classes: int) -> SeedScores:
        """The counts of no image."""
        shape = (num_seeds + len(REFERENCES), num_classes, num_classes + 1)
        return cls(0, np.zeros(shape, np.int64), 0, 0)

    def add(self, other: SeedScores) -> None:
        """Adds the counts of other images."""
        self.images += other.images
        self.confusion += other.confusion
        self.pixels += other.pixels
        self.disputed += other.disputed
        for scale, counts in other.sweep.items():
            self.sweep[scale] = self.sweep.get(scale, 0) + counts


def score_image(truth: np.ndarray, seeds: np.ndarray, num_classes: int) -> SeedScores:
    """Compares the seeds of one image with its ground truth.

    Args:
        truth: (H, W) uint8 labels; 255 is not counted.
        seeds: (K, H, W) uint8 labels; 255 is unknown.
        num_classes: C, with background.

    Raises:
        ValueError: Shapes that do not fit, or a label that is neither below C nor 255.
    """
    if seeds.ndim != 3 or seeds.shape[1:] != truth.shape:
        raise ValueError(
            f'seeds must be (K, H, W) with the size of the ground truth, {truth.shape}; got '
            f'{seeds.shape}.'
        )
    winner = vote(seeds)
    others = (winner, oracle(truth, seeds, winner), np.zeros_like(truth))
    counted = truth != UNKNOWN
    return SeedScores(
        images=1,
        confusion=np.stack([confusion(truth, labels, num_classes) for labels in (*seeds, *others)]),
        pixels=int(np.count_nonzero(counted)),
        disputed=int(np.count_nonzero(disputed(seeds) & counted)),
    )


def confusion(truth: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts pixels by true label (row) and given label (column; the last one is unknown).

    Args:
        truth: (H, W) uint8; 255 is not counted.
        labels: (H, W) uint8; 255 is unknown.
        num_classes: C, with background.

    Returns:
        (C, C + 1) int64.

    Raises:
        ValueError: A label that is neither below C nor 255.
    """
    for name, values in (('ground truth', truth), ('seed', labels)):
        strange = (values >= num_classes) & (values != UNKNOWN)
        if strange.any():
            raise ValueError(
                f'the {name} holds label {values[strange].max()}; with {num_classes} classes, '
                f'labels are 0..{num_classes - 1}, and 255 is unknown. Is num_classes right?'
            )
    width = num_classes + 1
    # Unknown becomes the last column, and not counted a row that is dropped.
    rows = np.minimum(truth, num_classes).astype(np.int32)
    counts = np.bincount(
        (rows * width + np.minimum(labels, num_classes)).ravel(), minlength=width * width
    )
    return counts.reshape(width, width)[:num_classes]


def rates(counts: np.ndarray) -> Rates:
    """The scores of a (C, C + 1) table of :func:`confusion`."""
    known = counts[:, :-1]
    right = np.diagonal(known)
    given, there, there_known = known.sum(0), counts.sum(1), known.sum(1)
    iou = _share(right, there + given - right)
    return Rates(
        iou=iou,
        miou=_mean(iou),
        miou_labelled=_mean(_share(right, there_known + given - right)),
        precision=_mean(_share(right, given)),
        recall=_mean(_share(right, there)),
        coverage=float(_share(known.sum(), counts.sum())),
    )


def oracle(truth: np.ndarray, seeds: np.ndarray, winner: np.ndarray) -> np.ndarray:
    """The best that one could pick from the seeds, pixel by pixel.

    Args:
        truth: (H, W) uint8.
        seeds: (K, H, W) uint8.
        winner: (H, W) uint8, their majority vote.

    Returns:
        (H, W) uint8: the true label where any seed has it; elsewhere, where all are wrong or
        unknown, the vote.
    """
    return np.where((seeds == truth).any(0), truth, winner)


def disputed(seeds: np.ndarray) -> np.ndarray:
    """Where two seeds that both know a pixel give it different labels.

    Args:
        seeds: (K, H, W) uint8; 255 is unknown and disputes nothing.

    Returns:
        (H, W) bool.
    """
    lowest = seeds.min(0)
    # Unknown as 0 never is the highest, unless nothing else is there.
    highest = np.where(seeds == UNKNOWN, 0, seeds).max(0)
    return highest > lowest


def sweep_thresholds(
    truth: np.ndarray,
    cams: ImageCAMs,
    saliency: np.ndarray | None,
    thresholds: Sequence[float],
    num_classes: int,
) -> dict[float, np.ndarray]:
    """Counts for the seeds that other thresholds of the CAM would have given.

    Args:
        truth: (H, W) uint8; 255 is not counted.
        cams: Of the image.
        saliency: (H, W) uint8, for the rule of section 4.2; None for the plain rule that what is
            not foreground is background.
        thresholds: T values in [0, 1].
        num_classes: C, with background.

    Returns:
        Scale -> (T, C, C + 1) int64.

    Raises:
        ValueError: The saliency map has another size, or a class lies beyond C.
    """
    found = {}
    for scale, maps in cams.maps.items():
        cam = upsample_cam(maps, truth.shape)
        counts = []
        for threshold in thresholds:
            background = saliency
            if background is None:
                background = (cam.max(0, initial=0) > threshold).astype(np.float32)
            seed = threshold_seed(cam, background, cams.class_ids, foreground=threshold)
            counts.append(confusion(truth, seed, num_classes))
        found[scale] = np.stack(counts)
    return found


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float('nan')
