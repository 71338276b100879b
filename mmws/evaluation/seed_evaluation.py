"""One image's share of the evaluation of seeds; runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmws.files.label_map import read_label_map
from mmws.seeds.cam_store import read_cams
from mmws.seeds.seed import UNKNOWN

from .seed_scores import SeedScores, score_image, sweep_thresholds


@dataclass(frozen=True)
class FilesOfImage:
    """What belongs to one image.

    Attributes:
        truth: Its ground truth.
        seeds: Its K seeds.
        cams: Classifier -> file of its CAMs.
    """

    truth: str
    seeds: tuple[str, ...]
    cams: dict[str, str]


@dataclass(frozen=True)
class ImageScores:
    """Counts of one image, to be added up.

    Attributes:
        scores: Against the ground truth.
        equal: (K, K) int64, pixels that two seeds give the same label.
        known: (K, K) int64, pixels that both label.
        sweep: Classifier -> scale -> (T, C, C + 1) int64.
    """

    scores: SeedScores
    equal: np.ndarray
    known: np.ndarray
    sweep: dict[str, dict[float, np.ndarray]]


def evaluate_image(
    files: FilesOfImage, *, num_classes: int, thresholds: Sequence[float]
) -> ImageScores:
    """Reads an image's files and counts.

    Args:
        files: Of the image.
        num_classes: C, with background.
        thresholds: T CAM thresholds to try where there are CAMs; what is not above one is
            background then, saliency plays no part.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, has another size or holds labels beyond C.
    """
    truth = read_label_map(files.truth)
    maps = [read_label_map(path) for path in files.seeds]
    for path, labels in zip(files.seeds, maps, strict=True):
        if labels.shape != truth.shape:
            raise ValueError(
                f'{path} is {labels.shape} pixels (height, width), its ground truth '
                f'{files.truth} {truth.shape}.'
            )
    for path, labels in zip((files.truth, *files.seeds), (truth, *maps), strict=True):
        strange = labels[(labels >= num_classes) & (labels != UNKNOWN)]
        if strange.size:
            raise ValueError(
                f'{path} holds the label {strange.max()}; with {num_classes} classes, the '
                f'background included, labels are 0..{num_classes - 1}, and 255 is unknown. Is the '
                'number of classes right?'
            )
    seeds = np.stack(maps)
    scores = score_image(truth, seeds, num_classes)
    equal, known = count_agreement(seeds)
    sweep = {}
    for name, path in files.cams.items():
        try:
            sweep[name] = sweep_thresholds(truth, read_cams(path), None, thresholds, num_classes)
        except ValueError as error:
            raise ValueError(f'CAMs {path}: {error}') from error
    return ImageScores(scores, equal, known, sweep)


def least_agreement(agreement: np.ndarray) -> tuple[int, int, float] | None:
    """Finds the two seeds that agree least.

    Args:
        agreement: (K, K), symmetric; NaN where two seeds label no common pixel.

    Returns:
        Two different seeds and their agreement; None if there are no two to compare.
    """
    rows, columns = np.triu_indices(len(agreement), 1)
    shares = agreement[rows, columns]
    if np.isnan(shares).all():
        return None
    index = np.nanargmin(shares)
    return int(rows[index]), int(columns[index]), float(shares[index])


def count_agreement(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts for each two seeds the pixels with the same label, and those that both label.

    Args:
        seeds: (K, H, W) uint8; 255 is unknown.

    Returns:
        Two symmetric (K, K) int64.
    """
    count = len(seeds)
    labelled = seeds != UNKNOWN
    equal, known = np.zeros((2, count, count), np.int64)
    for one in range(count):
        for other in range(one, count):
            both = labelled[one] & labelled[other]
            known[one, other] = known[other, one] = np.count_nonzero(both)
            same = np.count_nonzero(both & (seeds[one] == seeds[other]))
            equal[one, other] = equal[other, one] = same
    return equal, known
