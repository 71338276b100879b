"""Draws image, CAMs and seeds side by side: python tools/browse_seeds.py SEED_ROOT ..."""

import argparse
import html
import re
import sys
from pathlib import Path

from PIL import Image

from mmws.datasets.named_classes import named_classes
from mmws.files.folder import SEED_MANIFEST, SeedFolder
from mmws.files.image_file import read_image
from mmws.files.label_map import read_label_map, voc_palette
from mmws.files.progress_bar import ProgressBar
from mmws.seeds.cam import upsample_cam
from mmws.seeds.cam_store import CAM_MANIFEST, read_cams
from mmws.visualization.seed_sheet import overlay_cam, seed_sheet


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='One PNG an image: the image, its ground truth, its CAMs and its seeds.'
    )
    parser.add_argument('root', type=Path, help='SEED_ROOT')
    parser.add_argument('--images', type=Path, required=True, help='folder of the images')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/seed_sheets'))
    parser.add_argument('--gt', type=Path, help='folder of the true label maps')
    parser.add_argument('--cams', type=Path, help='folder in which generate_seeds.py kept CAMs')
    parser.add_argument('--seeds', nargs='+', help='names of the folders; all by default')
    parser.add_argument('--ids', nargs='+', help='image ids; all by default')
    parser.add_argument('--image-suffix', default='.jpg')
    parser.add_argument(
        '--classes',
        help='voc, ade or another that mmseg knows, a dataset class, or a number of classes; by '
        'default what the seeds were made with, or else voc',
    )
    parser.add_argument('--html', action='store_true', help='an index.html that shows all sheets')
    parser.add_argument('--limit', type=int, default=50, metavar='N', help='at most N images')
    return parser.parse_args(argv)


def rows_of(args: argparse.Namespace, names: list[str], image_id: str, classes: list[str]) -> list:
    """The pictures of one image: itself, a row of CAMs each class, a row each kind of seed."""
    image = read_image(args.images / f'{image_id}{args.image_suffix}')
    first = {'image': image}
    if args.gt is not None and (args.gt / f'{image_id}.png').is_file():
        first['ground truth'] = read_label_map(args.gt / f'{image_id}.png')
    rows = [first]
    for store in stores_of(args):
        file = store / f'{image_id}.npz'
        if not file.is_file():
            continue
        cams = read_cams(file)
        names_of_cams = stored_classes(store, CAM_MANIFEST) or classes
        maps = {scale: upsample_cam(cam, image.shape[:2]) for scale, cam in cams.maps.items()}
        for index, class_id in enumerate(cams.class_ids):
            rows.append(
                {
                    f'{store.name} CAM {names_of_cams[class_id + 1]} x{scale}': overlay_cam(
                        image, cam[index]
                    )
                    for scale, cam in maps.items()
                }
            )
    kinds: dict[str, dict] = {}
    for name in names:
        kind = re.sub(r'_(x[\d.]+|max|mean)$', '', name)
        path = args.root / name / f'{image_id}.png'
        kinds.setdefault(kind, {})[name] = read_label_map(path)
    for seeds in kinds.values():
        seeds = dict(sorted(seeds.items(), reverse=True))  # the largest scale first
        rows.append(seeds)
    return rows


def classes_of(args: argparse.Namespace, names: list[str]) -> tuple[list[str], list]:
    """Names and colours of the labels: as asked for, as the folders say, or VOC's."""
    if args.classes is not None:
        try:
            return named_classes(args.classes)
        except ValueError as error:
            sys.exit(f'--classes: {error}')
    found = {args.root / name: stored_classes(args.root / name) for name in names}
    for store in stores_of(args):
        found[store] = stored_classes(store, CAM_MANIFEST)
    found = {folder: classes for folder, classes in found.items() if classes is not None}
    if not found:
        return named_classes('voc')
    first = next(iter(found))
    named = {folder: [name for name in classes if name] for folder, classes in found.items()}
    for folder, classes in named.items():
        # CAMs are numbered by class, whatever the labels of the seeds are.
        same = (
            classes == named[first] if folder in stores_of(args) else found[folder] == found[first]
        )
        if not same:
            sys.exit(
                f'{first} is of the classes {", ".join(named[first][1:])}, but {folder} of '
                f'{", ".join(classes[1:])}. Choose folders with --seeds, or say --classes.'
            )
    return found[first], voc_palette()[: len(found[first])].tolist()


def stored_classes(folder: Path, manifest: str = SEED_MANIFEST) -> list[str] | None:
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


def stores_of(args: argparse.Namespace) -> list[Path]:
    """The folders of CAMs, one a classifier."""
    return sorted(f for f in args.cams.iterdir() if f.is_dir()) if args.cams else []


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.root.is_dir():
        sys.exit(f'{args.root} is no folder.')
    names = args.seeds or sorted(
        f.name for f in args.root.iterdir() if f.is_dir() and any(f.rglob('*.png'))
    )
    if not names:
        sys.exit(f'{args.root} holds no folder of seeds.')
    classes, palette = classes_of(args, names)
    common = set.intersection(
        *({p.relative_to(d).with_suffix('').as_posix() for p in d.rglob('*.png')}
          for d in (args.root / name for name in names))
    )  # fmt: skip
    ids = args.ids or sorted(common)
    missing = [i for i in ids if i not in common]
    if missing or not ids:
        sys.exit(f'not every folder has a seed of {missing[0] if missing else "any image"}.')
    ids = ids[: args.limit]
    bar = ProgressBar(len(ids))
    for image_id in ids:
        sheet = seed_sheet(
            rows_of(args, names, image_id, classes), classes, palette, title=image_id
        )
        path = args.out / f'{image_id}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet).save(path)
        bar.advance()
    bar.close()
    if args.html:
        figures = '\n'.join(
            f'<p><img loading="lazy" src="{html.escape(i)}.png" alt="{html.escape(i)}"></p>'
            for i in ids
        )
        page = f'<!doctype html><meta charset="utf-8"><title>Seeds</title>\n{figures}\n'
        (args.out / 'index.html').write_text(page, encoding='utf-8')
    print(f'{len(ids)} sheets in {args.out}')


if __name__ == '__main__':
    main()
