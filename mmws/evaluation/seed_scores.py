"""Scores of seeds against ground truth, one image at a time; runs in worker processes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmws.files.label_map import BACKGROUND, foreign_labels, read_label_map
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import read_cams
from mmws.seeds.seed import label_ids

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
    sweep = {}
    for name, found in cams.items():
        labels = np.append(np.uint8(BACKGROUND), label_ids(found.class_ids))
        for scale, maps in found.maps.items():
            cam = upsample_cam(maps, truth.shape)
            # What is not above the threshold is background, without saliency.
            seeds = (labels[np.insert(cam, 0, t, axis=0).argmax(0)] for t in thresholds)
            tables = [confusion(truth, seed, num_classes) for seed in seeds]
            sweep[name, scale] = np.stack(tables)
    return check.counts, sweep
