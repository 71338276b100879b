"""Scores of seeds against ground truth, one image at a time; runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmws.files.label_map import foreign_labels, read_label_map
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.seed import threshold_seed

from .check import MapsOfImage, SeedCheck
from .seed_counts import SeedCounts, confusion

# Classifier and scale -> (T, C + 1, C + 1), of the seeds that T thresholds of the CAM give.
Sweep = dict[tuple[str, float], np.ndarray]


def score_image(
    files: MapsOfImage, *, num_classes: int, thresholds: Sequence[float] = ()
) -> tuple[SeedCounts, Sweep]:
    """Read an image's files, of which all must be there, and count.

    Args:
        files: Of the image.
        num_classes: C, with background.
        thresholds: T CAM thresholds to try where there are CAMs.

    Raises:
        ValueError: A file is missing or damaged, has another size or holds labels beyond C.
    """
    truth = read_label_map(files.truth)
    check = SeedCheck(len(files.maps), num_classes, scored=True)
    check.check_image(files, truth=truth)
    bad = [f'{texts[0]}, {kind}' for (_, kind), texts in check.problems.items()]
    if foreign := foreign_labels(truth, num_classes):
        bad.append(f'{files.truth} holds {foreign[-1]}, outside 0..{num_classes - 1} and 255')
    cams = {name: read_cams(path) for name, path in files.cams.items()}
    for name, found in cams.items():
        highest = max(found.class_ids, default=0)
        if highest >= num_classes - 1:
            bad.append(
                f'{files.cams[name]} holds CAMs of the class {highest}, from 0 and without '
                f'background, of which the last is {num_classes - 2}'
            )
    if bad:
        raise ValueError(f'{bad[0]}. Is the number of classes right ({num_classes})?')
    sweep = {
        (name, scale): table
        for name, found in cams.items()
        for scale, table in sweep_thresholds(truth, found, thresholds, num_classes).items()
    }
    return check.counts, sweep


def sweep_thresholds(
    truth: np.ndarray, cams: ImageCAMs, thresholds: Sequence[float], num_classes: int
) -> dict[float, np.ndarray]:
    """Count for the seeds that T thresholds of the CAM would have given, without saliency.

    What is not above the threshold is background. By scale it is (T, C + 1, C + 1) int64.
    """
    found = {}
    for scale, maps in cams.maps.items():
        cam = upsample_cam(maps, truth.shape)
        highest = cam.max(0, initial=0)
        tables = []
        for threshold in thresholds:
            salient = (highest > threshold).astype(np.float32)
            seed = threshold_seed(cam, salient, cams.class_ids, foreground=threshold)
            tables.append(confusion(truth, seed, num_classes))
        found[scale] = np.stack(tables)
    return found
