"""Writes the synthetic Shapes data in VOC layout: images, masks, XML, lists, saliency maps.

    python tools/make_shapes.py --out data/shapes
    python tools/make_shapes.py --out data/rendered --from-masks MASK_DIR --size 96

With --from-masks the objects of real label maps (VOC's, for example) wear the textures of Shapes.
Everything follows from --seed; a second run finishes what the first left.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from mmws.datasets.shapes import SHAPES_CLASSES, Scene, make_scene, render_masks
from mmws.files.arguments import add_arguments, at_least
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.image_file import BadInputError
from mmws.files.label_map import encode_label_map, foreign_labels, read_label_map
from mmws.files.map_run import MapRun

from mmseg.utils import get_classes  # isort: skip  (after mmws, for mmcv-lite)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('data/shapes'), help='root of the data')
    parser.add_argument('--train', type=at_least(1), default=600, help='number of training images')
    parser.add_argument('--val', type=at_least(0), default=150, help='number of validation images')
    parser.add_argument('--size', type=at_least(32), default=96, help='height and width in pixels')
    parser.add_argument('--seed', type=at_least(0), default=0, help='another number, other images')
    parser.add_argument('--from-masks', type=Path, help='folder of label maps to render instead')
    add_arguments(parser, 'limit', 'overwrite', 'workers')
    return parser.parse_args(argv)


def write_image(
    image_id: str, number: int, *, out: Path, size: int, seed: int, masks: Path | None
) -> None:
    """Writes everything about one image; the JPEG last, which marks it as finished."""
    rng = np.random.default_rng([seed, number])
    if masks is None:
        scene, names = make_scene(rng, size), SHAPES_CLASSES
    else:
        names = get_classes('voc')
        labels = read_mask(masks / f'{image_id}.png', len(names))
        labels = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
        scene = render_masks(rng, labels)
    write_atomically(
        out / 'SegmentationClassAug' / f'{image_id}.png', encode_label_map(scene.labels)
    )
    saliency = cv2.imencode('.png', scene.saliency)[1].tobytes()
    write_atomically(out / 'saliency' / f'{image_id}.png', saliency)
    write_atomically(
        out / 'Annotations' / f'{image_id}.xml', to_xml(image_id, scene, names).encode()
    )
    jpeg = cv2.imencode('.jpg', scene.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    write_atomically(out / 'JPEGImages' / f'{image_id}.jpg', jpeg)


def read_mask(path: Path, num_classes: int) -> np.ndarray:
    """A label map of VOC's classes; refuses other labels."""
    try:
        labels = read_label_map(path)
    except (OSError, ValueError) as error:
        raise BadInputError(str(error)) from error
    if foreign := foreign_labels(labels, num_classes):
        raise BadInputError(
            f'{path} has the labels {foreign}; VOC has 0 to {num_classes - 1}, and 255 is unknown. '
            'Map them to these, or leave the file out.'
        )
    return labels


def to_xml(image_id: str, scene: Scene, names: tuple[str, ...]) -> str:
    """The objects as VOC annotates them; coordinates count from 1."""
    height, width = scene.labels.shape
    objects = ''.join(
        f'<object><name>{names[label]}</name><difficult>0</difficult><bndbox>'
        f'<xmin>{left + 1}</xmin><ymin>{top + 1}</ymin><xmax>{right + 1}</xmax>'
        f'<ymax>{bottom + 1}</ymax></bndbox></object>\n'
        for label, (left, top, right, bottom) in scene.objects
    )
    return (
        f'<annotation><filename>{image_id}.jpg</filename><size><width>{width}</width>'
        f'<height>{height}</height><depth>3</depth></size>\n{objects}</annotation>\n'
    )


def choose_ids(args) -> list[str]:
    """Names of the images, training first."""
    total = args.train + args.val
    if args.from_masks is None:
        return [f'shapes_{number:06d}' for number in range(total)][: args.limit]
    if not args.from_masks.is_dir():
        sys.exit(f'{args.from_masks} is no folder: name a folder of label maps (PNG).')
    found = sorted(path.stem for path in args.from_masks.glob('*.png'))
    if len(found) < total:
        sys.exit(f'{args.from_masks} holds {len(found)} PNGs; --train and --val ask for {total}.')
    # Spread over the folder, and in an order that has nothing to do with names.
    order = np.random.default_rng(args.seed).permutation(len(found))[:total]
    return [found[i] for i in order][: args.limit]


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    ids = choose_ids(args)
    recipe = dict(
        seed=args.seed,
        size=args.size,
        train=args.train,
        val=args.val,
        masks=None if args.from_masks is None else args.from_masks.name,
    )
    folder = SeedFolder(args.out / 'JPEGImages', recipe, suffix='.jpg', manifest='shapes.json')
    run = MapRun({'images': folder}, ids, workers=args.workers)
    run.prepare(overwrite=args.overwrite)
    for name, part in (
        ('train', ids[: args.train]),
        ('train_aug', ids[: args.train]),
        ('val', ids[args.train :]),
    ):
        path = args.out / 'ImageSets' / 'Segmentation' / f'{name}.txt'
        write_atomically(path, ''.join(f'{image_id}\n' for image_id in part).encode())
    numbers = {image_id: number for number, image_id in enumerate(ids)}
    report = run.make(
        lambda image_id, _: (image_id, numbers[image_id]),
        partial(write_image, out=args.out, size=args.size, seed=args.seed, masks=args.from_masks),
    )
    print(f'{len(ids)} images in {args.out}.\n{report.summary()}')
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
