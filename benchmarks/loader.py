"""One sample through the training pipeline with K seeds against mmseg's with one label.

    python benchmarks/loader.py VOC_ROOT [--seeds 12] [--rounds 10]

VOC_ROOT holds JPEGImages, SegmentationClassAug and ImageSets/Segmentation/train.txt. The seeds are
the masks with blocks of other labels, written as palette PNGs to a temporary folder, and packed.
Prints, as Markdown tables, the CPU time of one sample as a ratio within each round, where it goes,
and how long a dataset over 12 x 10,582 seed files takes to start.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from paired import ratio, seconds_in_turn
from PIL import Image

import mmws
from mmws.datasets.label_view import LabelView
from mmws.files.storage import pack_folder

PIPELINE = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomRelativeResize', ratio_range=(0.5, 1.5)),
    dict(type='RandomCrop', crop_size=(321, 321)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]


def write_seeds(root: Path, ids: list[str], out: Path, num_seeds: int) -> list[str]:
    """K folders of the masks with blocks of other labels."""
    rng = np.random.default_rng(0)
    folders = [out / f'draw{k:02d}' for k in range(num_seeds)]
    for folder in folders:
        folder.mkdir(parents=True)
        for image_id in ids:
            with Image.open(root / 'SegmentationClassAug' / f'{image_id}.png') as mask:
                labels = np.array(mask)
                for label in (0, 255, *np.unique(labels)):
                    top, left = (rng.integers(0, size) for size in labels.shape)
                    labels[top : top + 60, left : left + 60] = label
                seed = Image.fromarray(labels).convert('P')
                seed.putpalette(mask.getpalette() or list(range(256)) * 3)
                seed.save(folder / f'{image_id}.png', compress_level=1)
    return [str(folder) for folder in folders]


def packed(folders: list[str]) -> list[str]:
    """The archives of the folders."""
    for folder in folders:
        pack_folder(folder, f'{folder}.zip')
    return [f'{folder}.zip' for folder in folders]


def start_seconds(out: Path, num_images: int = 10_582, num_seeds: int = 12) -> tuple[float, float]:
    """Seconds until a dataset over K x N files is ready, in folders and packed.

    Only the first seeds are read.
    """
    ids = [f'2007_{i:06d}' for i in range(num_images)]
    folders = [out / f's{k}' for k in range(num_seeds)]
    for folder, suffix in [(out / 'images', '.jpg'), *((f, '.png') for f in folders)]:
        folder.mkdir(parents=True)
        for image_id in ids:
            (folder / f'{image_id}{suffix}').touch()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / f'{ids[0]}{suffix}')
    (out / 'list.txt').write_text('\n'.join(ids))
    stock = dict(
        type='BaseSegDataset',
        data_root=str(out),
        ann_file='list.txt',
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        metainfo=dict(classes=('a', 'b')),
        pipeline=PIPELINE,
    )
    seconds = []
    for seed_dirs in (list(map(str, folders)), packed(list(map(str, folders)))):
        start = time.perf_counter()
        mmws.MultiSeedDataset(stock, seed_dirs=seed_dirs)
        seconds.append(time.perf_counter() - start)
    return tuple(seconds)


def step_seconds(dataset) -> Counter:
    """Seconds that each step of a pipeline takes for all samples."""
    seconds = Counter()
    for i in range(len(dataset)):
        sample = dataset.get_data_info(i)
        for step in dataset.pipeline.transforms:
            start = time.perf_counter()
            sample = step(sample)
            seconds[type(step).__name__] += time.perf_counter() - start
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', type=Path)
    parser.add_argument('--seeds', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=10)
    args = parser.parse_args()
    init_default_scope('mmseg')
    cv2.setNumThreads(0)  # as in a worker process
    torch.set_num_threads(1)
    ids = (args.root / 'ImageSets/Segmentation/train.txt').read_text().split()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        stock = dict(
            type='PascalVOCDataset',
            data_root=str(args.root),
            ann_file='ImageSets/Segmentation/train.txt',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
            pipeline=PIPELINE,
        )
        folders = write_seeds(args.root, ids, out / 'seeds', args.seeds)
        multi = dict(type='MultiSeedDataset', dataset=stock, seed_dirs=folders)
        zips = dict(multi, seed_dirs=packed(folders))
        datasets = {
            'one label, mmseg': DATASETS.build(stock),
            f'{args.seeds} seeds': DATASETS.build(multi),
            f'{args.seeds} seeds, packed': DATASETS.build(zips),
            f'{args.seeds} seeds, the flip as a transform that mmws does not know': DATASETS.build(
                multi
            ),
        }
        steps = list(datasets.values())[3].pipeline.transforms
        steps[-2] = LabelView(steps[-2])

        def epoch(dataset):
            np.random.seed(0)
            for i in range(len(dataset)):
                dataset[i]

        seconds = seconds_in_turn(
            {name: lambda d=d: epoch(d) for name, d in datasets.items()},
            rounds=args.rounds,
        )
        first = next(iter(seconds.values()))
        print('| pipeline | CPU time | ms a sample |\n|---|---|---|')
        for name, values in seconds.items():
            milliseconds = 1e3 * statistics.median(values) / len(ids)
            print(f'| {name} | {ratio(values, first):.2f}x | {milliseconds:.1f} |')
        rounds = [step_seconds(list(datasets.values())[1]) for _ in range(args.rounds)]
        print('\n| step of a sample | share of the time |\n|---|---|')
        total = sum(sum(r.values()) for r in rounds)
        for name in rounds[0]:
            print(f'| {name} | {sum(r[name] for r in rounds) / total:.0%} |')
        in_folders, in_archives = start_seconds(out / 'scale')
        print(f'\nStart over 12 x 10,582 files: {in_folders:.1f} s, packed {in_archives:.1f} s')


if __name__ == '__main__':
    main()
