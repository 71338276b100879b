"""Draws label maps of several sources side by side, one PNG of a few images.

    python tools/compare_predictions.py --images IMAGE_DIR --gt MASK_DIR --out sheet.png \\
        "one label=PRED_DIR" "twelve labels=OTHER_DIR"

A source is any folder of label maps: what tools/test.py --out wrote, seeds, noisy labels.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

from mmws.datasets.named_classes import named_classes
from mmws.files.arguments import add_arguments, at_least
from mmws.files.find_images import images_by_id
from mmws.files.label_map import read_label_map
from mmws.files.seed_source import SeedSource, common_ids, packed_or_not
from mmws.files.storage import is_folder
from mmws.visualization.picture_grid import prediction_sheet
from mmws.visualization.read_picture import read_picture
from mmws.visualization.wst_view import spread


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'sources', nargs='+', metavar='[TITLE=]DIR', help='folders of label maps (PNG), in order'
    )
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--gt', type=Path, help='folder of the true label maps')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/predictions.png'),
        help='the picture (%(default)s)',
    )
    parser.add_argument('--ids', nargs='+', help='image ids; any that all folders have by default')
    parser.add_argument(
        '--limit',
        type=at_least(1),
        default=6,
        metavar='N',
        help='N images, evenly apart among the ids',
    )
    parser.add_argument(
        '--classes',
        default='voc',
        help='voc, ade or another that mmseg knows, a dataset class, or a number of classes',
    )
    add_arguments(parser, 'image-suffix')
    return parser.parse_args(argv)


def split_source(source: str) -> tuple[str, Path]:
    """``TITLE=DIR`` or ``DIR``, whose title is the folder's name."""
    title, separator, folder = source.partition('=')
    # A folder may have a = in its name.
    if separator and not Path(source).is_dir():
        return title, Path(folder)
    return Path(source).name, Path(source)


def sources_of(args: argparse.Namespace) -> list[SeedSource]:
    """The folders of maps by title, the ground truth first."""
    found = [] if args.gt is None else [('ground truth', args.gt)]
    found += map(split_source, args.sources)
    titles = [title for title, _ in found]
    if twice := [title for title in titles if titles.count(title) > 1]:
        folder = dict(found)[twice[0]]
        sys.exit(f'Two folders are called {twice[0]!r}. Name them: "one title={folder}".')
    sources = [SeedSource(packed_or_not(str(folder)), '.png', title) for title, folder in found]
    for source in sources:
        if not is_folder(source.folder):
            sys.exit(f'{source.folder} is no folder.')
    return sources


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    sources = sources_of(args)
    try:
        classes, palette = named_classes(args.classes)
        images = images_by_id(args.images, args.image_suffix)
        ids = common_ids(sources, args.ids)
        if args.ids is None:
            ids = [image_id for image_id in ids if image_id in images]
        missing = [image_id for image_id in ids if image_id not in images]
        if missing or not ids:
            sys.exit(
                f'{args.images} has no image of {missing[0] if missing else "any label map"}. Is '
                '--image-suffix right?'
            )
        ids = [ids[index] for index in spread(args.limit, len(ids))]
        columns = {'image': [read_picture(images[image_id]) for image_id in ids]}
        for source in sources:
            columns[source.name] = [read_label_map(source.path(image_id)) for image_id in ids]
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    sheet = prediction_sheet(columns, classes, palette)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(args.out)
    print(f'{len(ids)} images, {len(columns)} columns: {args.out}')


if __name__ == '__main__':
    main()
