"""Reading the K seeds of an image from different layouts on disk and in memory.

    python benchmarks/seed_layouts.py VOC_ROOT [--seeds 12] [--rounds 10]

VOC_ROOT as in benchmarks/loader.py, whose seeds these are. Prints two Markdown tables: the time to
get all seeds of one image from each layout, as a ratio within each round, with the layout's size;
and where the time of one training sample goes.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from loader import PIPELINE, write_seeds
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from paired import ratio, seconds_in_turn
from PIL import Image

import mmws  # noqa: F401
from mmws.files.label_map import read_label_map


def layouts(
    folders: list[Path], ids: list[str], out: Path
) -> dict[str, tuple[Callable[[str], np.ndarray], int]]:
    """Name -> what reads the (K, H, W) seeds of an id, and the bytes that all of them take."""
    stacks = {i: np.stack([read_label_map(f / f'{i}.png') for f in folders]) for i in ids}
    packed = {i: (zlib.compress(stack.tobytes(), 1), stack.shape) for i, stack in stacks.items()}
    out.mkdir()
    for image_id, stack in stacks.items():
        tall = Image.fromarray(stack.reshape(-1, stack.shape[2]))
        tall.putpalette(list(range(256)) * 3)  # a palette image: written without row filters
        tall.save(out / f'{image_id}.png', compress_level=1)
        np.savez_compressed(out / f'{image_id}.npz', stack)
        np.save(out / f'{image_id}.npy', stack)

    def on_disk(suffix: str) -> int:
        return sum(path.stat().st_size for path in out.glob(f'*{suffix}'))

    def pillow(path: Path) -> np.ndarray:
        with Image.open(path) as image:
            return np.asarray(image)

    def inflate(image_id: str) -> np.ndarray:
        data, shape = packed[image_id]
        return np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)

    num_seeds = len(folders)
    png = sum((f / f'{i}.png').stat().st_size for f in folders for i in ids)
    raw = sum(stack.nbytes for stack in stacks.values())
    return {
        'K PNGs, as mmws reads them': (
            lambda i: np.stack([read_label_map(f / f'{i}.png') for f in folders]),
            png,
        ),
        'K PNGs, Pillow': (lambda i: np.stack([pillow(f / f'{i}.png') for f in folders]), png),
        'one tall PNG, Pillow': (
            lambda i: (tall := pillow(out / f'{i}.png')).reshape(num_seeds, -1, tall.shape[1]),
            on_disk('.png'),
        ),
        'one tall PNG, as mmws reads them': (
            lambda i: (tall := read_label_map(out / f'{i}.png')).reshape(
                num_seeds, -1, tall.shape[1]
            ),
            on_disk('.png'),
        ),
        'one compressed .npz': (
            lambda i: np.load(io.BytesIO((out / f'{i}.npz').read_bytes()))['arr_0'],
            on_disk('.npz'),
        ),
        'one memory-mapped .npy': (
            lambda i: np.array(np.load(out / f'{i}.npy', mmap_mode='r')),
            on_disk('.npy'),
        ),
        'kept in memory, compressed': (inflate, sum(len(data) for data, _ in packed.values())),
        'kept in memory': (lambda i: stacks[i].copy(), raw),
    }


def step_seconds(dataset, rounds: int) -> dict[str, list[float]]:
    """Seconds that each step of a pipeline takes for all samples, round by round."""
    steps = dataset.pipeline.transforms
    seconds: dict[str, list[float]] = {type(step).__name__: [] for step in steps}
    for _ in range(rounds):
        np.random.seed(0)
        totals = dict.fromkeys(seconds, 0.0)
        for i in range(len(dataset)):
            sample = dataset.get_data_info(i)
            for step in steps:
                start = perf_counter()
                sample = step(sample)
                totals[type(step).__name__] += perf_counter() - start
        for name, value in totals.items():
            seconds[name].append(value)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('root', type=Path)
    parser.add_argument('--seeds', type=int, default=12)
    parser.add_argument('--rounds', type=int, default=10)
    args = parser.parse_args()
    init_default_scope('mmseg')
    ids = (args.root / 'ImageSets/Segmentation/train.txt').read_text().split()

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        seed_dirs = write_seeds(args.root, ids, out / 'seeds', args.seeds)
        found = layouts(list(map(Path, seed_dirs)), ids, out / 'stacked')
        expected = {i: found['kept in memory'][0](i) for i in ids}
        for name, (read, _) in found.items():
            if not all(np.array_equal(read(i), expected[i]) for i in ids):
                raise AssertionError(f'{name} gives other seeds')
        seconds = seconds_in_turn(
            {name: lambda r=read: [r(i) for i in ids] for name, (read, _) in found.items()},
            rounds=args.rounds,
        )
        first = next(iter(seconds.values()))
        print('| layout | time | ms an image | KB an image |\n|---|---|---|---|')
        for name, values in seconds.items():
            milliseconds = 1e3 * statistics.median(values) / len(ids)
            size = found[name][1] / len(ids) / 1024
            print(f'| {name} | {ratio(values, first):.2f}x | {milliseconds:.2f} | {size:.0f} |')

        dataset = dict(
            type='MultiSeedDataset',
            dataset=dict(
                type='PascalVOCDataset',
                data_root=str(args.root),
                ann_file='ImageSets/Segmentation/train.txt',
                data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
                pipeline=PIPELINE,
            ),
            seed_dirs=seed_dirs,
        )
        steps = step_seconds(DATASETS.build(dataset), args.rounds)
        medians = {name: statistics.median(values) for name, values in steps.items()}
        print('\n| step of a sample | share of the time | ms |\n|---|---|---|')
        for name, value in medians.items():
            share = value / sum(medians.values())
            print(f'| {name} | {share:.0%} | {1e3 * value / len(ids):.2f} |')


if __name__ == '__main__':
    main()
