"""Draws image, CAMs and seeds side by side: python tools/browse_seeds.py SEED_ROOT ..."""

import argparse
import contextlib
import os
import re
import sys
from operator import itemgetter
from pathlib import Path

from PIL import Image

from mmws.datasets.named_classes import named_classes
from mmws.files.arguments import add_arguments, at_least
from mmws.files.find_images import images_by_id
from mmws.files.folder import SEED_MANIFEST, SeedFolder
from mmws.files.label_map import read_label_map, voc_palette
from mmws.files.progress_bar import ProgressBar
from mmws.files.seed_source import SeedSource, common_ids, seed_sources, seeds_below
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import CAM_MANIFEST, read_cams
from mmws.visualization.colours import overlay_cam
from mmws.visualization.html_page import HTMLPage
from mmws.visualization.picture_grid import picture_grid
from mmws.visualization.read_picture import read_picture

_COLUMNS = 6  # two networks at three scales


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='One PNG an image: the image, its ground truth, its CAMs and its seeds.'
    )
    parser.add_argument('root', type=Path, help='SEED_ROOT')
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/seed_sheets'),
        help='folder of the sheets (%(default)s)',
    )
    parser.add_argument('--gt', type=Path, help='folder of the true label maps')
    parser.add_argument('--cams', type=Path, help='folder in which generate_seeds.py kept CAMs')
    parser.add_argument('--seeds', nargs='+', help='names of the folders; all by default')
    parser.add_argument('--ids', nargs='+', help='image ids; all by default')
    parser.add_argument(
        '--classes',
        help='voc, ade or another that mmseg knows, a dataset class, or a number of classes; by '
        'default what the seeds were made with, or else voc',
    )
    parser.add_argument('--html', action='store_true', help='an index.html that shows all sheets')
    parser.add_argument(
        '--limit', type=at_least(1), default=50, metavar='N', help='at most N images'
    )
    add_arguments(parser, 'image-suffix')
    return parser.parse_args(argv)


def rows_of(
    image_id: str,
    image_path: str,
    seeds: list[SeedSource],
    stores: list[SeedSource],
    truth: SeedSource | None,
    classes: list[str],
) -> list[dict]:
    """Return the pictures of one image: itself, its CAMs by class, its seeds by kind."""
    image = read_picture(image_path)
    first = {'image': image}
    if truth is not None:
        with contextlib.suppress(FileNotFoundError):
            first['ground truth'] = read_label_map(truth.path(image_id))
    of_classes: list[tuple[str, dict]] = []
    for store in stores:
        if not os.path.isfile(store.path(image_id)):
            continue
        cams = read_cams(store.path(image_id))
        names_of_cams = stored_classes(store.folder, CAM_MANIFEST) or classes
        maps = {scale: upsample_cam(cam, image.shape[:2]) for scale, cam in cams.maps.items()}
        for index, class_id in enumerate(cams.class_ids):
            named = names_of_cams[class_id + 1]
            row = {
                f'{store.name} CAM {named} x{scale}': overlay_cam(image, cam[index])
                for scale, cam in maps.items()
            }
            of_classes.append((named, row))
    kinds: dict[str, dict] = {}
    for seed in seeds:
        kind = re.sub(r'_(x[\d.]+|max|mean)$', '', seed.name)
        kinds.setdefault(kind, {})[seed.name] = read_label_map(seed.path(image_id))
    cams = [row for _, row in sorted(of_classes, key=itemgetter(0))]
    # The largest scale first.
    maps = [
        dict(sorted(kinds[kind].items(), reverse=True))
        for kind in sorted(kinds, key=lambda name: name.rpartition('_')[2])
    ]
    return [first, *joined(cams), *joined(maps)]


def joined(rows: list[dict]) -> list[dict]:
    """Join rows while they fit into the sheet's width."""
    wide: list[dict] = [{}]
    for row in rows:
        if len(wide[-1]) + len(row) > _COLUMNS:
            wide.append({})
        wide[-1].update(row)
    return wide


def classes_of(
    args: argparse.Namespace, seeds: list[SeedSource], stores: list[SeedSource]
) -> tuple[list[str], list]:
    """Names and colours of the labels: as asked for, as the folders say, or VOC's."""
    if args.classes is not None:
        return named_classes(args.classes)
    found = {seed.folder: stored_classes(seed.folder) for seed in seeds}
    found.update({store.folder: stored_classes(store.folder, CAM_MANIFEST) for store in stores})
    found = {folder: classes for folder, classes in found.items() if classes is not None}
    if not found:
        return named_classes('voc')
    first = next(iter(found))
    named = {folder: [name for name in classes if name] for folder, classes in found.items()}
    of_cams = {store.folder for store in stores}
    for folder, classes in named.items():
        # CAMs are numbered by class, whatever the labels of the seeds are.
        same = classes == named[first] if folder in of_cams else found[folder] == found[first]
        if not same:
            sys.exit(
                f'{first} is of the classes {", ".join(named[first][1:])}, but {folder} of '
                f'{", ".join(classes[1:])}. Choose folders with --seeds, or say --classes.'
            )
    return found[first], voc_palette()[: len(found[first])].tolist()


def stored_classes(folder: str, manifest: str = SEED_MANIFEST) -> list[str] | None:
    """The names of the labels that a folder was made with, '' for those that no class has.

    None where nothing says so.
    """
    try:
        recipe = SeedFolder(folder, {}, manifest=manifest).stored_recipe() or {}
    except ValueError:  # a file of that name which is not ours
        return None
    names = recipe.get('classes')
    if names is None:
        return None
    labels = recipe.get('labels') or range(1, len(names) + 1)
    numbered = {0: 'background', **dict(zip(labels, names, strict=True))}
    return [numbered.get(label, '') for label in range(max(numbered) + 1)]


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        seeds = seeds_below(args.root, args.seeds)
        stores = seeds_below(args.cams, suffix='.npz') if args.cams else []
        truth = None if args.gt is None else seed_sources(str(args.gt))[0]
        classes, palette = classes_of(args, seeds, stores)
        images = images_by_id(args.images, args.image_suffix)
        ids = common_ids(seeds, args.ids)[: args.limit]
        if missing := [image_id for image_id in ids if image_id not in images]:
            sys.exit(
                f'{len(missing)} of {len(ids)} images are not in {args.images}, the first: '
                f'{missing[0]}. Is --image-suffix right?'
            )
        page = HTMLPage('Seeds')
        bar = ProgressBar(len(ids))
        for image_id in ids:
            rows = rows_of(image_id, images[image_id], seeds, stores, truth, classes)
            rows = [list(row.items()) for row in rows if row]
            sheet = picture_grid(rows, classes, palette, title=image_id)
            path = args.out / f'{image_id}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sheet).save(path)
            page.picture(f'{image_id}.png', image_id)
            bar.advance()
        bar.close()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    if args.html:
        (args.out / 'index.html').write_text(page.render(), encoding='utf-8')
    print(f'{len(ids)} sheets in {args.out}')


if __name__ == '__main__':
    main()
