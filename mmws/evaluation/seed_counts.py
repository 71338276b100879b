"""Counts of pixels by the labels that two maps give them, and the scores that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from mmws.files.label_map import UNKNOWN
from mmws.seeds.vote import vote

# What is compared with the ground truth beside the seeds.
REFERENCES = ('majority vote', 'per-pixel oracle', 'all background')
# Pixels that are counted at once: images may have a billion of them.
_CHUNK = 1 << 22


class Rates(NamedTuple):
    """What a table of counts says; shares in [0, 1], NaN where nothing is counted.

    Attributes:
        iou: (C,) of each class, unknown pixels being misses; NaN for a class that neither map has.
        iou_labelled: (C,) the same where both maps know the pixel.
        miou: Mean of ``iou`` over the classes that it is defined for, as in mmseg.
        miou_labelled: The same of ``iou_labelled``.
        precision: Share of a label's pixels that are right, mean over the labels that are given.
        recall: Share of a class's pixels that are found, mean over the classes of the reference;
            unknown pixels are misses.
        coverage: Share of the pixels that the map labels.
    """

    iou: np.ndarray
    iou_labelled: np.ndarray
    miou: float
    miou_labelled: float
    precision: float
    recall: float
    coverage: float


@dataclass
class SeedCounts:
    """Counts over images, which can be added up.

    Attributes:
        images: Number of images.
        pixels: Pixels that the reference knows.
        disputed: Those of them to which two seeds give different labels.
        confusion: (M, C + 1, C + 1) of each map: reference label by given label; the last row and
            column are unknown.
        images_with: (M, C + 1) images in which the map gives the label.
        maps: (M,) images of which there is a map.
        known: (K, K) pixels that two seeds know.
        same: (K, K) pixels of these at which they agree.
    """

    images: int
    pixels: int
    disputed: int
    confusion: np.ndarray
    images_with: np.ndarray
    maps: np.ndarray
    known: np.ndarray
    same: np.ndarray

    @classmethod
    def empty(cls, num_seeds: int, num_classes: int, *, num_maps: int | None = None) -> SeedCounts:
        """Give the counts of no image; the maps are the seeds, and what else is compared."""
        maps, labels = num_maps or num_seeds, num_classes + 1
        shapes = (maps, labels, labels), (maps, labels), maps, *[(num_seeds, num_seeds)] * 2
        return cls(0, 0, 0, *(np.zeros(shape, np.int64) for shape in shapes))

    def add(self, other: SeedCounts) -> None:
        """Add the counts of other images."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))

    @property
    def given(self) -> np.ndarray:
        """(M, C + 1) pixels to which the map gives the label; the last are unknown."""
        return self.confusion.sum(1)

    @property
    def agreement(self) -> np.ndarray:
        """(K, K) share of the pixels both know at which two seeds agree; NaN without any."""
        return share(self.same, self.known)


def count_image(
    seeds: Sequence[np.ndarray | None],
    num_classes: int,
    *,
    truth: np.ndarray | None = None,
) -> SeedCounts:
    """Compare the seeds of one image with a reference and with each other, in one pass.

    Args:
        seeds: K maps, (H, W) uint8 of labels below C and 255; None for one that the image lacks.
        num_classes: C.
        truth: (H, W) uint8, the reference. With it the M maps that are compared are the seeds and
            :data:`REFERENCES`; without it the reference is the majority vote of the K seeds.
    """
    there = [k for k, labels in enumerate(seeds) if labels is not None]
    compared = len(seeds) + (0 if truth is None else len(REFERENCES))
    rows = [*there, *range(len(seeds), compared)]
    counts = SeedCounts.empty(len(seeds), num_classes, num_maps=compared)
    counts.images = 1
    counts.maps[rows] = 1
    flat = [seeds[k].ravel() for k in there]
    for start in range(0, flat[0].size if flat else 0, _CHUNK):
        part = np.stack([labels[start : start + _CHUNK] for labels in flat])
        maps, reference = list(part), vote(part[:, None])[0]
        if truth is not None:
            winner, reference = reference, truth.ravel()[start : start + _CHUNK]
            # The best that one could pick from the seeds, pixel by pixel.
            oracle = np.where((part == reference).any(0), reference, winner)
            maps += [winner, oracle, np.zeros_like(winner)]
        for row, labels in zip(rows, maps, strict=True):
            counts.confusion[row] += confusion(reference, labels, num_classes)
        counted = reference != UNKNOWN
        counts.pixels += int(np.count_nonzero(counted))
        # Unknown as 0 never is the highest, unless nothing else is there.
        highest = np.where(part == UNKNOWN, 0, part).max(0)
        counts.disputed += int(np.count_nonzero((highest > part.min(0)) & counted))
        known = part != UNKNOWN
        for i, k in enumerate(there):
            both = known[i:] & known[i]
            counts.known[k, there[i:]] += np.count_nonzero(both, axis=1)
            counts.same[k, there[i:]] += np.count_nonzero(both & (part[i:] == part[i]), axis=1)
    for table in (counts.known, counts.same):
        table += np.triu(table, 1).T
    counts.images_with[...] = counts.given > 0
    return counts


def confusion(reference: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Count pixels by the labels of two uint8 maps; labels that are not below C are unknown.

    It is (C + 1, C + 1) int64, a row a label of the reference, the last of each being unknown.
    """
    width = num_classes + 1
    rows = np.minimum(reference, num_classes).astype(np.int32)
    cells = (rows * width + np.minimum(labels, num_classes)).ravel()
    return np.bincount(cells, minlength=width * width).reshape(width, width)


def rates(counts: np.ndarray) -> Rates:
    """Compute the scores of a table of :func:`confusion`; only what the reference knows counts."""
    known = counts[:-1, :-1]
    right = np.diagonal(known)
    given, there, there_known = known.sum(0), counts[:-1].sum(1), known.sum(1)
    iou = share(right, there + given - right)
    labelled = share(right, there_known + given - right)
    return Rates(
        iou=iou,
        iou_labelled=labelled,
        miou=mean(iou),
        miou_labelled=mean(labelled),
        precision=mean(share(right, given)),
        recall=mean(share(right, there)),
        coverage=float(share(known.sum(), counts[:-1].sum())),
    )


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def mean(values: np.ndarray) -> float:
    """Average what is not NaN; NaN where nothing is left."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float('nan')
