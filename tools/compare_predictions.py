"""Draws label maps of several sources side by side, one PNG of a few images.

    python tools/compare_predictions.py --images IMAGE_DIR --gt MASK_DIR --out sheet.png \\
        "one label=PRED_DIR" "twelve labels=OTHER_DIR"

A source is any folder of label maps: what tools/test.py --out wrote, seeds, noisy labels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.datasets.named_classes import named_classes
from mmws.files.image_file import read_image
from mmws.files.label_map import read_label_map
from mmws.visualization.prediction_sheet import prediction_sheet


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources', nargs='+', metavar='[TITLE=]DIR', help='folders of label maps (PNG), in order'
    )
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--gt', type=Path, help='folder of the true label maps')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/predictions.png'))
    parser.add_argument('--ids', nargs='+', help='image ids; any that all folders have by default')
    parser.add_argument(
        '--limit', type=int, default=6, metavar='N', help='N images, evenly apart among the ids'
    )
    parser.add_argument('--image-suffix', default='.jpg')
    parser.add_argument(
        '--classes',
        default='voc',
        help='voc, ade or another that mmseg knows, a dataset class, or a number of classes',
    )
    return parser.parse_args(argv)


def split_source(source: str) -> tuple[str, Path]:
    """``TITLE=DIR`` or ``DIR``, whose title is the folder's name."""
    title, separator, folder = source.partition('=')
    # A folder may have a = in its name.
    if separator and not Path(source).is_dir():
        return title, Path(folder)
    return Path(source).name, Path(source)


def folders_of(args: argparse.Namespace) -> dict[str, Path]:
    """Title -> folder, the ground truth first."""
    folders = {} if args.gt is None else {'ground truth': args.gt}
    for title, folder in map(split_source, args.sources):
        if title in folders:
            sys.exit(f'Two folders are called {title!r}. Name them: "one title={folder}".')
        folders[title] = folder
    for folder in folders.values():
        if not folder.is_dir():
            sys.exit(f'{folder} is no folder.')
    return folders


def choose_ids(folders: dict[str, Path], ids: list[str] | None, limit: int) -> list[str]:
    """The images to show: those asked for, or some of those that all folders have."""
    if limit < 1:
        sys.exit(f'--limit is a number of images and must be >= 1; got {limit}.')
    if ids is None:
        maps = (
            {path.relative_to(folder).with_suffix('').as_posix() for path in folder.rglob('*.png')}
            for folder in folders.values()
        )
        ids = sorted(set.intersection(*maps))
        if not ids:
            sys.exit(f'No image has a label map in all of {", ".join(map(str, folders.values()))}.')
    for image_id in ids:
        for folder in folders.values():
            if not (folder / f'{image_id}.png').is_file():
                sys.exit(f'{folder} has no label map of {image_id}.')
    chosen = np.linspace(0, len(ids) - 1, min(limit, len(ids))).round().astype(int)
    return [ids[index] for index in chosen]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        classes, palette = named_classes(args.classes)
    except ValueError as error:
        sys.exit(f'--classes: {error}')
    folders = folders_of(args)
    ids = choose_ids(folders, args.ids, args.limit)
    columns = {'image': [read_image(args.images / f'{i}{args.image_suffix}') for i in ids]}
    for title, folder in folders.items():
        columns[title] = [read_label_map(folder / f'{i}.png') for i in ids]
    sheet = prediction_sheet(columns, classes, palette)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out)
    print(f'{len(ids)} images, {len(columns)} columns: {args.out}')


if __name__ == '__main__':
    main()
