"""Draws the pilot experiment's noisy labels (section 3): K seed folders from one of ground truth.

    python tools/make_noisy_labels.py MASK_DIR --ratio 0.3 --draws 12 --out OUT

writes OUT/noise0.3_00 ... OUT/noise0.3_11. Each draw of each image has random numbers of its own,
so order, --workers and interruptions change nothing; a second run finishes what the first left.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.label_map import encode_label_map, read_label_map
from mmws.files.progress_bar import ProgressBar
from mmws.files.worker_pool import available_cores, map_unordered
from mmws.seeds.noise import SIZE_RANGE, UNKNOWN, add_block_noise, noise_generator


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('masks', type=Path, help='folder of ground-truth label maps (PNG)')
    parser.add_argument('--out', type=Path, required=True, help='where the seed folders are made')
    parser.add_argument('--ratio', type=float, default=0.3, help='share of foreground to replace')
    parser.add_argument('--draws', type=int, default=2, help='number of independent seeds')
    parser.add_argument('--seed', type=int, default=0, help='another number, other draws')
    parser.add_argument('--sizes', type=int, nargs=2, default=SIZE_RANGE, help='sides of a block')
    parser.add_argument('--list', type=Path, help='only the image ids in this file, one a line')
    parser.add_argument('--limit', type=int, help='only the first N images')
    parser.add_argument('--workers', type=int, default=available_cores())
    parser.add_argument('--overwrite', action='store_true', help='replace folders made otherwise')
    return parser.parse_args(argv)


def draw_image(job: tuple[Path, str, list[tuple[int, Path]]], *, ratio, seed, sizes):
    """Writes the missing draws of one image; foreground pixels and how many of them were taken."""
    mask, image_id, targets = job
    labels = read_label_map(mask)
    foreground = int(((labels != 0) & (labels != UNKNOWN)).sum())
    taken = 0
    for draw, path in targets:
        noisy = add_block_noise(
            labels, ratio, noise_generator(image_id, ratio, draw, seed=seed), size_range=sizes
        )
        taken += int((noisy != labels).sum())
        write_atomically(path, encode_label_map(noisy))
    return foreground * len(targets), taken, len(targets)


def image_ids(args: argparse.Namespace) -> list[str]:
    """The ids to draw, or the reason why there are none."""
    if not args.masks.is_dir():
        sys.exit(f'{args.masks} is no folder: name the folder of ground-truth PNGs.')
    found = sorted(
        p.relative_to(args.masks).with_suffix('').as_posix() for p in args.masks.rglob('*.png')
    )
    if not found:
        sys.exit(f'{args.masks} holds no PNG.')
    if args.list:
        wanted = args.list.read_text().split()
        missing = sorted(set(wanted) - set(found))
        if missing:
            sys.exit(
                f'{len(missing)} of {len(wanted)} ids in {args.list} have no mask, the first: '
                f'{args.masks / missing[0]}.png'
            )
        found = wanted
    return found[: args.limit]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    ids = image_ids(args)
    folders = []
    for draw in range(args.draws):
        recipe = dict(
            kind='block noise', ratio=args.ratio, draw=draw, seed=args.seed, sizes=list(args.sizes)
        )
        folder = SeedFolder(args.out / f'noise{args.ratio:g}_{draw:02d}', recipe)
        if args.overwrite:
            folder.clear()
        folder.prepare()
        folders.append((folder, folder.finished()))

    jobs = []
    for image_id in ids:
        targets = [
            (draw, folder.file(image_id))
            for draw, (folder, finished) in enumerate(folders)
            if image_id not in finished
        ]
        if targets:
            jobs.append((args.masks / f'{image_id}.png', image_id, targets))
    if jobs:
        for folder, _ in folders:
            folder.reopen()

    work = partial(draw_image, ratio=args.ratio, seed=args.seed, sizes=tuple(args.sizes))
    bar = ProgressBar(len(jobs))
    pixels = taken = 0
    for of_image, of_blocks, _ in map_unordered(work, jobs, workers=args.workers):
        pixels, taken = pixels + of_image, taken + of_blocks
        bar.advance()
    bar.close()
    for folder, _ in folders:
        folder.complete(ids)
    print(f'{len(folders)} x {len(ids)} label maps in {args.out}, {len(jobs)} images drawn now.')
    if pixels:
        print(f'Of their foreground pixels {taken / pixels:.2%} are background now.')


if __name__ == '__main__':
    main()
