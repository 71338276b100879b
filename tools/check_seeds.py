"""Checks folders of label maps before they are trained with, and compares them.

    python tools/check_seeds.py SEEDS_A SEEDS_B SEEDS_C --images JPEGImages --classes voc

prints a report and ends with exit status 1 if something is wrong. Maps are paired with images by
their path inside the folder: IMAGES/a/b.jpg with SEEDS_A/a/b.png.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

from mmws.datasets.named_classes import named_classes
from mmws.evaluation.check import MapsOfImage, SeedStatistics, check_images, verdict
from mmws.evaluation.check_report import as_json, as_text
from mmws.files.atomic_write import write_atomically
from mmws.files.id_list import read_ids
from mmws.files.progress_bar import ProgressBar
from mmws.files.worker_pool import available_cores, map_unordered

_IMAGE_ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
_IMAGES_PER_JOB = 16


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folders', nargs='+', type=Path, help='the seeds: folders of label maps')
    parser.add_argument('--images', type=Path, help='folder of the images; compares the sizes too')
    parser.add_argument('--list', type=Path, help='only the images in this file, one a line')
    parser.add_argument(
        '--classes',
        help='how many classes there are, with background, or a dataset: voc, ade, cityscapes or '
        'another that mmseg knows, or a dataset class; labels beyond them are errors',
    )
    parser.add_argument(
        '--reduce-zero-label',
        action='store_true',
        help='0 is unknown and the other labels move down by one, as in mmseg for ADE20K',
    )
    parser.add_argument('--image-suffix', help='ending of the image files, such as .jpg')
    parser.add_argument('--seed-suffix', default='.png', help='ending of the label maps')
    parser.add_argument(
        '--allow-missing', action='store_true', help='an image may lack some maps, but not all'
    )
    parser.add_argument('--no-agreement', action='store_true', help='do not compare the folders')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers, too')
    parser.add_argument('--limit', type=int, help='only the first N images')
    parser.add_argument('--workers', type=int, default=available_cores())
    args = parser.parse_args(argv)
    if args.limit is not None and args.limit < 1:
        parser.error('--limit is a number of images and must be >= 1')
    return args


def class_names(text: str | None, *, reduced: bool) -> list[str] | None:
    """The names of the classes that --classes asks for."""
    if text is None:
        return None
    try:
        names, _ = named_classes(text)
    except ValueError as error:
        sys.exit(f'--classes: {error}')
    if reduced and text.isdigit():
        names[0] = 'class 0'  # there is no background
    return names


def files_below(folder: Path, endings: str | tuple[str, ...]) -> dict[str, str]:
    """Path inside the folder without its ending -> path."""
    if not folder.is_dir():
        sys.exit(f'{folder} is no folder.')
    endings = (endings,) if isinstance(endings, str) else endings
    found = {}
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        inside = os.path.relpath(parent, folder)
        for name in sorted(files):
            ending = next((e for e in endings if name.lower().endswith(e.lower())), None)
            if ending is not None:
                key = os.path.normpath(os.path.join(inside, name[: -len(ending)]))
                found.setdefault(key, os.path.join(parent, name))
    return found


def pair(args: argparse.Namespace) -> tuple[list[MapsOfImage], list[int]]:
    """The images with their maps, and how many maps of each folder belong to none."""
    maps = [files_below(folder, args.seed_suffix) for folder in args.folders]
    for folder, files in zip(args.folders, maps, strict=True):
        if not files:
            sys.exit(f'{folder} holds no {args.seed_suffix} file. Is --seed-suffix right?')
    images = {}
    if args.images is not None:
        images = files_below(args.images, args.image_suffix or _IMAGE_ENDINGS)
        if not images:
            sys.exit(f'{args.images} holds no image. Is --image-suffix right?')
    if args.list is not None:
        there = images.keys() | set().union(*maps)
        try:
            ids = read_ids(args.list, there.__contains__)
        except (FileNotFoundError, ValueError) as error:
            sys.exit(f'--list: {error}')
        missing = [i for i in ids if args.images is not None and i not in images]
        if missing:
            sys.exit(
                f'{len(missing)} of {len(ids)} images of {args.list} are not in {args.images}, the '
                f'first: {missing[0]}.'
            )
    else:
        # A dataset's image folder holds more than the images of one list.
        ids = sorted(set().union(*maps))
    known = set(images) if images else set(ids)
    stray = [len(set(files) - known) for files in maps]
    ids = [i for i in ids if i in known]
    if not ids:
        sys.exit(
            f'no label map belongs to an image: the maps are named like {next(iter(maps[0]))!r}, '
            f'the images like {next(iter(images), None)!r}. Endings are cut off by --seed-suffix '
            'and --image-suffix.'
        )
    jobs = [MapsOfImage(i, images.get(i), [files.get(i) for files in maps]) for i in ids]
    return jobs[: args.limit], stray


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    classes = class_names(args.classes, reduced=args.reduce_zero_label)
    names = [folder.resolve().name for folder in args.folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in args.folders]
    jobs, stray = pair(args)
    chunks = [jobs[i : i + _IMAGES_PER_JOB] for i in range(0, len(jobs), _IMAGES_PER_JOB)]
    work = partial(
        check_images,
        num_classes=None if classes is None else len(classes),
        reduce_zero_label=args.reduce_zero_label,
        compare=not args.no_agreement,
    )
    total = SeedStatistics.empty(len(names))
    bar = ProgressBar(len(jobs))
    for statistics in map_unordered(work, chunks, workers=min(args.workers, len(chunks))):
        total.add(statistics)
        bar.advance(statistics.images)
    bar.close()
    for k, folder in enumerate(args.folders):
        missing = [job.image_id for job in jobs if job.maps[k] is None]
        if missing and not args.allow_missing:
            first = folder / f'{missing[0]}{args.seed_suffix}'
            total.report(k, 'missing', str(first), len(missing))
    errors, warnings = verdict(total, names, num_classes=None if classes is None else len(classes))
    bare = [job.image_id for job in jobs if not any(job.maps)]
    if bare and args.allow_missing:  # else each folder has said so
        errors.append(f'{len(bare)} images have no map at all, the first: {bare[0]}.')
    warnings += [
        f'{name}: {count} maps belong to no image.'
        for name, count in zip(names, stray, strict=True)
        if count and args.images is not None
    ]
    missing = np.array([sum(job.maps[k] is None for job in jobs) for k in range(len(names))])
    print(as_text(total, names, missing=missing, classes=classes, errors=errors, warnings=warnings))
    if args.json is not None:
        content = as_json(
            total, names, missing=missing, classes=classes, errors=errors, warnings=warnings
        )
        write_atomically(args.json, (json.dumps(content, indent=1) + '\n').encode())
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
