"""The CRF of all seeds of an image in one pass, against one call a seed.

    python benchmarks/crf.py PHOTOS [--limit N]

PHOTOS is a folder in VOC's layout with JPEGImages, saliency and SegmentationClassAug. The score
stacks are six a photo (two classifiers x three scales): blurred and disturbed true masks stand in
for CAMs. Compared are, on one core,

- grouped: mmws.seeds.crf.refine_with_crf,
- separate: one DenseCRF2D a seed, background and present classes,
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

from mmws.files.label_map import read_label_map
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


def one_call(image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """A single stack (L, H, W) through pydensecrf, as it is usually called."""
    from pydensecrf.densecrf import DenseCRF2D

    labels, height, width = scores.shape
    crf = DenseCRF2D(width, height, labels)
    energies = -np.log(np.clip(scores, 1e-5, 1)).reshape(labels, -1)
    crf.setUnaryEnergy(np.ascontiguousarray(energies))
    crf.addPairwiseGaussian(sxy=3, compat=3)
    crf.addPairwiseBilateral(sxy=80, srgb=13, rgbim=image, compat=10)
    return np.asarray(crf.inference(10)).argmax(0).reshape(height, width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('--limit', type=int, default=12, help='number of photos')
    args = parser.parse_args()
    seconds = dict(grouped=0.0, separate=0.0, common=0.0)
    equal = dict(separate=0, common=0)
    pixels = count = 0
    ratios = []
    for path in sorted((args.photos / 'JPEGImages').glob('*.jpg')):
        truth = read_label_map(args.photos / 'SegmentationClassAug' / f'{path.stem}.png')
        classes = [int(c) for c in np.unique(truth) if c not in (0, 255)]
        if not classes:
            continue
        if count == args.limit:
            break
        count += 1
        image = np.array(Image.open(path).convert('RGB'))
        saliency = np.array(Image.open(args.photos / 'saliency' / f'{path.stem}.png'))
        scores = stacks_of(truth, saliency, classes)
        start = time.process_time()
        grouped = refine_with_crf(image, scores)
        times = [time.process_time() - start]
        start = time.process_time()
        separate = np.stack([one_call(image, stack) for stack in scores])
        times.append(time.process_time() - start)
        everything = np.zeros((len(scores), NUM_CLASSES, *truth.shape), np.float32)
        everything[:, [0, *classes]] = scores
        start = time.process_time()
        common = np.stack([one_call(image, stack) for stack in everything])
        times.append(time.process_time() - start)
        for name, value in zip(seconds, times, strict=True):
            seconds[name] += value
        ratios.append(times[2] / times[0])
        equal['separate'] += int((grouped == separate).sum())
        equal['common'] += int((np.array([0, *classes])[grouped] == common).sum())
        pixels += grouped.size
    if not count:
        raise SystemExit(f'{args.photos / "JPEGImages"} holds no photo with a class.')
    print(f'{count} photos, 6 seeds each; CPU seconds of one core\n')
    print('| | s/photo | speed against it | same label |')
    print('|---|---|---|---|')
    print(f'| grouped | {seconds["grouped"] / count:.2f} | | |')
    for name in ('separate', 'common'):
        ratio = seconds[name] / seconds['grouped']
        print(f'| {name} | {seconds[name] / count:.2f} | {ratio:.1f}x | '
              f'{equal[name] / pixels:.5%} |')  # fmt: skip
    print(f'\nAgainst the common recipe, photo by photo: {min(ratios):.1f}x to {max(ratios):.1f}x')


if __name__ == '__main__':
    main()
