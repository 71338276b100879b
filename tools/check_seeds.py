"""Checks folders of label maps before they are trained with, and compares them.

    python tools/check_seeds.py SEEDS_A SEEDS_B SEEDS_C --images JPEGImages --classes voc

prints a report and ends with exit status 1 if something is wrong. Maps are paired with images by
their path inside the folder: IMAGES/a/b.jpg with SEEDS_A/a/b.png.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import DictAction

from mmws.datasets.named_classes import named_classes
from mmws.evaluation.check import MapsOfImage, SeedCheck
from mmws.evaluation.check_report import as_dict, as_text
from mmws.evaluation.referee import advise, sample_image
from mmws.evaluation.referee import as_text as advice_text
from mmws.evaluation.tables import write_json
from mmws.files.arguments import add_arguments
from mmws.files.find_images import images_by_id
from mmws.files.id_list import listed_ids, read_ids
from mmws.files.label_map import UNKNOWN
from mmws.files.progress_bar import ProgressBar
from mmws.files.seed_source import SeedSource, seed_sources
from mmws.files.storage import NotListedError
from mmws.files.worker_pool import map_unordered

_IMAGES_PER_JOB = 16
_IMAGES_ADVISED = 500


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folders', nargs='+', help='folders of label maps, packed or not')
    parser.add_argument('--images', help='folder of the images; compares the sizes too')
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
    parser.add_argument(
        '--seed-suffix',
        nargs='+',
        default=['.png'],
        help='ending of the label maps; one a seed where several lie in one folder, such as '
        '_1stHO.png _2ndHO.png, or /mask-0.png /mask-1.png for a folder an image',
    )
    parser.add_argument(
        '--allow-missing', action='store_true', help='an image may lack some maps, but not all'
    )
    parser.add_argument(
        '--backend-args',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='how mmengine reads folders and images, as in configs, such as backend=petrel; '
        'http:// needs none, but --list, and --image-suffix with --images',
    )
    parser.add_argument(
        '--advise',
        action='store_true',
        help='say how reliable each seed looks, how many there really are, and which rule to take',
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers, too')
    add_arguments(parser, 'image-suffix', 'limit', 'list', 'workers')
    return parser.parse_args(argv)


def class_names(text: str | None, *, reduced: bool) -> list[str] | None:
    """The names of the classes that --classes asks for."""
    if text is None:
        return None
    names, _ = named_classes(text)
    if reduced and text.isdigit():
        names[0] = 'class 0'  # there is no background
    return names


def images_of(args: argparse.Namespace) -> dict[str, str]:
    """The images by id."""
    try:
        return images_by_id(args.images, args.image_suffix, args.backend_args)
    except NotListedError:
        if args.list is None or args.image_suffix is None:
            raise
        ids = read_ids(args.list, lambda _: False)
        return {i: f'{args.images.rstrip("/")}/{i}{args.image_suffix}' for i in ids}


def maps_of(source: SeedSource, args: argparse.Namespace) -> set[str]:
    """Ids of the images that a source has a map of; of storage that cannot list, those listed."""
    try:
        return source.image_ids()
    except NotListedError:
        if args.list is None:
            raise
        return set(read_ids(args.list, lambda _: False))


def pair(args: argparse.Namespace) -> tuple[list[str], list[MapsOfImage], list[int]]:
    """Names of the seeds, the images with their maps, and how many maps belong to no image."""
    sources = seed_sources(args.folders, args.seed_suffix, backend_args=args.backend_args)
    maps = [maps_of(source, args) for source in sources]
    for source, found in zip(sources, maps, strict=True):
        if not found:
            sys.exit(f'{source.folder} holds no {source.suffix} file. Is --seed-suffix right?')
    images, anywhere = None, set().union(*maps)
    if args.images is not None:
        images = images_of(args)
    known = anywhere if images is None else images.keys()
    # A dataset's image folder holds more than the images of one list.
    ids = sorted(anywhere & known)
    if args.list is not None:
        if images is None:  # one without any map is reported
            ids = read_ids(args.list, anywhere.__contains__)
        else:
            ids = listed_ids(args.list, images, args.images)
    if not anywhere.intersection(ids):
        sys.exit(
            f'no label map belongs to an image: the maps are named like {min(maps[0])!r}, '
            f'the images like {min(images or ids)!r}. Endings are cut off by --seed-suffix '
            'and --image-suffix.'
        )
    jobs = [
        MapsOfImage(i, [source.path(i) for source in sources], images and images.get(i))
        for i in ids[: args.limit]
    ]
    stray = [0 if images is None else len(found - images.keys()) for found in maps]
    return [source.name for source in sources], jobs, stray


def check_images(
    jobs: list[MapsOfImage], *, num_classes: int | None, **options: bool | dict | None
) -> SeedCheck:
    """Check some images; runs in worker processes."""
    check = SeedCheck(len(jobs[0].maps), num_classes)
    for job in jobs:
        check.check_image(job, **options)
    return check


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        classes = class_names(args.classes, reduced=args.reduce_zero_label)
        names, jobs, stray = pair(args)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    work = partial(
        check_images,
        num_classes=None if classes is None else len(classes),
        reduce_zero_label=args.reduce_zero_label,
        backend_args=args.backend_args,
    )
    total = work(jobs[:1])
    chunks = [jobs[i : i + _IMAGES_PER_JOB] for i in range(1, len(jobs), _IMAGES_PER_JOB)]
    bar = ProgressBar(len(jobs))
    bar.advance()
    workers, preload = min(args.workers, len(chunks)), 'mmws.evaluation.check'
    for check in map_unordered(work, chunks, workers=workers, preload=preload):
        total.add(check)
        bar.advance(check.counts.images)
    bar.close()
    errors, warnings = total.verdict(names, allow_missing=args.allow_missing)
    warnings += [
        f'{name}: {count} maps belong to no image.'
        for name, count in zip(names, stray, strict=True)
        if count
    ]
    report = as_dict(total, names, classes=classes, errors=errors, warnings=warnings)
    print(as_text(report))
    if args.advise and len(names) > 1 and not errors:
        # Some hundred images are enough for tables of classes by classes.
        chosen = jobs[:: -(-len(jobs) // _IMAGES_ADVISED)]
        read = partial(
            sample_image, reduce_zero_label=args.reduce_zero_label, backend_args=args.backend_args
        )
        samples = np.stack(list(map_unordered(read, chosen, workers=workers, preload=preload)))
        labels = classes or [str(label) for label in range(1 + samples[samples != UNKNOWN].max())]
        advice = advise(samples, names, len(labels))
        print('\n' + advice_text(advice, names, labels))
        report['advice'] = advice.as_dict(names)
    if args.json is not None:
        write_json(args.json, report)
    return 1 if errors else 0


if __name__ == '__main__':
    sys.exit(main())
