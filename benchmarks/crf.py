"""The DenseCRF of all seeds of an image in torch, against pydensecrf.

    python benchmarks/crf.py PHOTOS [--limit N]

PHOTOS is a folder in VOC's layout with JPEGImages, saliency and SegmentationClassAug. The score
stacks are six a photo (two classifiers x three scales): blurred and disturbed true masks stand in
for CAMs. Compared are, in turn for each photo and in CPU seconds of one thread,

- torch: mmws.seeds.crf.refine_with_crf, background and present classes,
- grouped: the channels of all seeds in one DenseCRF2D of pydensecrf,
- separate: one DenseCRF2D a seed,
- common: one DenseCRF2D a seed with all 21 labels, as most published code does it.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

import cv2
import numpy as np
from PIL import Image
from pydensecrf.densecrf import DenseCRF2D

from mmws.files.label_map import read_label_map
from mmws.files.worker_pool import keep_memory
from mmws.seeds.crf import refine_with_crf

NUM_CLASSES = 21


def stacks_of(truth: np.ndarray, saliency: np.ndarray, classes: list[int]) -> np.ndarray:
    """(6, 1 + M, H, W) float32 scores in [0, 1]."""
    rng = np.random.default_rng(int(truth.sum()))
    height, width = truth.shape
    stacks = []
    for stride in (8, 11, 16, 8, 11, 16):
        size = (max(width // stride, 2), max(height // stride, 2))
        stack = [1 - saliency.astype(np.float32) / 255]
        for label in classes:
            cam = cv2.resize((truth == label).astype(np.float32), size, interpolation=3)
            cam = cv2.GaussianBlur(cam, (0, 0), 1.5) * rng.uniform(0.4, 1, cam.shape)
            cam = cv2.resize(cam.astype(np.float32), (width, height))
            stack.append(np.clip(cam / max(cam.max(), 1e-5), 0, 1))
        stacks.append(stack)
    return np.asarray(stacks, np.float32)


def pydensecrf_of(image: np.ndarray, energies: np.ndarray) -> DenseCRF2D:
    """The model of one call for energies (L, H * W), with the numbers of the seeds."""
    height, width = image.shape[:2]
    crf = DenseCRF2D(width, height, len(energies))
    crf.setUnaryEnergy(np.ascontiguousarray(energies, np.float32))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=image, compat=10)
    return crf


def separate_calls(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Each stack (L, H, W) through pydensecrf, as it is usually called."""
    energies = -np.log(np.clip(scores, 1e-5, 1)).reshape(*scores.shape[:2], -1)
    winners = [np.asarray(pydensecrf_of(image, e).inference(10)).argmax(0) for e in energies]
    return np.reshape(winners, (len(scores), *image.shape[:2]))


def grouped_calls(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """All stacks as channels of one pydensecrf, each measured from its last label.

    pydensecrf's softmax runs over all channels; divided by its own sum, a stack has its own.
    """
    stacks, labels = scores.shape[:2]
    energies = -np.log(np.clip(scores, 1e-5, 1)).reshape(stacks, labels, -1)
    relative = (energies[:, :-1] - energies[:, -1:]).reshape(stacks * (labels - 1), -1)
    crf = pydensecrf_of(image, np.concatenate([relative, np.zeros_like(relative[:1])]))
    state, *buffers = crf.startInference()
    joint = np.asarray(state)  # a view: what is written here is what the next step filters
    for _ in range(10):
        last = joint[-1].copy()
        for first in range(0, len(joint) - 1, labels - 1):
            # Channel by channel, for pydensecrf stores pixels first.
            total = last.copy()
            for channel in joint[first : first + labels - 1]:
                total += channel
            for channel in joint[first : first + labels - 1]:
                channel -= last
                channel /= total
        joint[-1] = 0
        crf.stepInference(state, *buffers)
    winner = np.zeros((stacks, joint.shape[1]), np.uint8)
    for index, row in enumerate(winner):
        first = index * (labels - 1)
        best = joint[first].copy()
        for label, channel in enumerate([*joint[first + 1 : first + labels - 1], joint[-1]], 1):
            row[channel > best] = label
            np.maximum(best, channel, out=best)
    return winner.reshape(stacks, *image.shape[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--limit', type=int, default=12, help='number of photos')
    args = parser.parse_args()
    ways = dict(
        torch=refine_with_crf,
        grouped=grouped_calls,
        separate=separate_calls,
        common=separate_calls,
    )
    seconds, equal = {name: [] for name in ways}, dict.fromkeys(ways, 0)
    pixels = 0
    keep_memory()  # as the processes do that make seeds
    for path in sorted((args.photos / 'JPEGImages').glob('*.jpg')):
        truth = read_label_map(args.photos / 'SegmentationClassAug' / f'{path.stem}.png')
        classes = [int(c) for c in np.unique(truth) if c not in (0, 255)]
        if not classes:
            continue
        if len(seconds['torch']) == args.limit:
            break
        image = np.array(Image.open(path).convert('RGB'))
        saliency = np.array(Image.open(args.photos / 'saliency' / f'{path.stem}.png'))
        scores = stacks_of(truth, saliency, classes)
        everything = np.zeros((len(scores), NUM_CLASSES, *truth.shape), np.float32)
        everything[:, [0, *classes]] = scores
        refine_with_crf(image[:8, :8], scores[..., :8, :8])  # what is done once in a process
        found = {}
        for name, way in ways.items():
            start = time.process_time()
            found[name] = way(image, everything if name == 'common' else scores)
            seconds[name].append(time.process_time() - start)
        pixels += found['torch'].size
        for name, labels in found.items():
            expected = (
                found['torch'] if name != 'common' else np.array([0, *classes])[found['torch']]
            )
            equal[name] += int((labels == expected).sum())
    if not pixels:
        raise SystemExit(f'{args.photos / "JPEGImages"} holds no photo with a class.')
    print(f'{len(seconds["torch"])} photos, 6 seeds each; CPU seconds of one thread\n')
    print('| | s/photo | torch is faster by | photo by photo | same label |')
    print('|---|---|---|---|---|')
    for name, values in seconds.items():
        ratios = np.divide(values, seconds['torch'])
        print(
            f'| {name} | {np.mean(values):.2f} | {sum(values) / sum(seconds["torch"]):.2f}x | '
            f'{ratios.min():.1f}x to {ratios.max():.1f}x | {equal[name] / pixels:.5%} |'
        )


if __name__ == '__main__':
    main()
