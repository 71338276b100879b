"""Scores of seeds against ground truth, one image at a time; runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmws.files.label_map import read_label_map
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.seed import threshold_seed

from .seed_counts import SeedCounts, confusion, count_image, foreign_labels, label_histogram

# Classifier and scale -> (T, C + 1, C + 1), of the seeds that T thresholds of the CAM give.
Sweep = dict[tuple[str, float], np.ndarray]


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


def score_image(
    files: FilesOfImage, *, num_classes: int, thresholds: Sequence[float] = ()
) -> tuple[SeedCounts, Sweep]:
    """Read an image's files and count.

    Args:
        files: Of the image.
        num_classes: C, with background.
        thresholds: T CAM thresholds to try where there are CAMs.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file is damaged, has another size or holds labels beyond C.
    """
    truth, *seeds = maps = [read_label_map(path) for path in (files.truth, *files.seeds)]
    for path, labels in zip((files.truth, *files.seeds), maps, strict=True):
        if labels.shape != truth.shape:
            raise ValueError(
                f'{path} is {labels.shape} pixels (height, width), its ground truth '
                f'{files.truth} {truth.shape}.'
            )
        if strange := foreign_labels(label_histogram(labels), num_classes):
            raise ValueError(
                f'{path} holds the label {strange[-1]}; with {num_classes} classes, the '
                f'background included, labels are 0..{num_classes - 1}, and 255 is unknown. Is the '
                'number of classes right?'
            )
    sweep = {}
    for name, path in files.cams.items():
        cams = read_cams(path)
        if max(cams.class_ids, default=0) >= num_classes - 1:
            raise ValueError(
                f'CAMs {path} hold the class {max(cams.class_ids)}, from 0 and without background; '
                f'with {num_classes} classes, the background included, the last is '
                f'{num_classes - 2}. Is the number of classes right?'
            )
        for scale, table in sweep_thresholds(truth, cams, thresholds, num_classes).items():
            sweep[name, scale] = table
    return count_image(seeds, num_classes, truth=truth), sweep


def sweep_thresholds(
    truth: np.ndarray, cams: ImageCAMs, thresholds: Sequence[float], num_classes: int
) -> dict[float, np.ndarray]:
    """Count for the seeds that other thresholds of the CAM would have given.

    What is not above the threshold is background; saliency plays no part.

    Args:
        truth: (H, W) uint8; 255 is not counted.
        cams: Of the image.
        thresholds: T values in [0, 1].
        num_classes: C, with background.

    Returns:
        Scale -> (T, C + 1, C + 1) int64.
    """
    found = {}
    for scale, maps in cams.maps.items():
        cam = upsample_cam(maps, truth.shape)
        highest = cam.max(0, initial=0)
        found[scale] = np.stack(
            [
                confusion(
                    truth,
                    threshold_seed(
                        cam,
                        (highest > threshold).astype(np.float32),
                        cams.class_ids,
                        foreground=threshold,
                    ),
                    num_classes,
                )
                for threshold in thresholds
            ]
        )
    return found
