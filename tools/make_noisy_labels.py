"""Draw the pilot experiment's noisy labels (section 3): K seed folders from one of ground truth.

    python tools/make_noisy_labels.py MASK_DIR --ratio 0.3 --draws 12 --out OUT

writes OUT/noise0.3_00 ... OUT/noise0.3_11. Noise takes labels away from objects; --both-ways adds
as many, and with --shared the draws have a part of it in common. Each draw of each image has random
numbers of its own, so order, --workers and interruptions change nothing; a second run finishes what
the first left.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np

from mmws.files.arguments import add_arguments, at_least
from mmws.files.atomic_write import write_atomically
from mmws.files.find_images import find_images
from mmws.files.folder import SeedFolder
from mmws.files.id_list import listed_ids
from mmws.files.image_file import BadInputError
from mmws.files.label_map import encode_label_map, read_label_map
from mmws.files.map_run import MapRun
from mmws.seeds.noise import SIZE_RANGE, add_block_noise, noise_generator

# The draw that is common to all, for --shared.
_COMMON = -1


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('masks', type=Path, help='folder of ground-truth label maps (PNG)')
    parser.add_argument('--out', type=Path, required=True, help='where the seed folders are made')
    parser.add_argument('--ratio', type=float, default=0.3, help='share of foreground to replace')
    parser.add_argument('--draws', type=at_least(1), default=2, help='number of independent seeds')
    parser.add_argument('--seed', type=int, default=0, help='another number, other draws')
    parser.add_argument('--sizes', type=int, nargs=2, default=SIZE_RANGE, help='sides of a block')
    parser.add_argument(
        '--both-ways', action='store_true', help='as much background gets a class of the image'
    )
    parser.add_argument(
        '--shared', type=float, default=0.0, help='share of the noise that all draws have in common'
    )
    parser.add_argument('--name', default=None, help='of the folders; noise and the ratio')
    add_arguments(parser, 'limit', 'list', 'overwrite', 'workers')
    return parser.parse_args(argv)


def draw_image(
    mask: str, image_id: str, files: dict[int, Path], *, ratio, seed, sizes, both_ways, shared
) -> None:
    """Write the missing draws of one image."""
    try:
        labels = read_label_map(mask)
    except (OSError, ValueError) as error:
        raise BadInputError(str(error)) from error
    options = dict(size_range=sizes, both_ways=both_ways)
    generator = noise_generator(image_id, ratio, _COMMON, seed=seed)
    common = add_block_noise(labels, ratio * shared, generator, **options)
    # Where a pixel may be hit twice, the expected whole is the ratio.
    own = ratio * (1 - shared) / max(1 - ratio * shared, 1e-9)
    for draw, file in files.items():
        generator = noise_generator(image_id, ratio, draw, seed=seed)
        noisy = add_block_noise(labels, min(own, 1.0), generator, **options)
        noisy = np.where(noisy == labels, common, noisy)
        write_atomically(file, encode_label_map(noisy))


def find_masks(args: argparse.Namespace) -> dict[str, str]:
    """Find the masks by id, those of the list or all, or say why there are none."""
    found = find_images(args.masks, ('.png',)).images
    if not found:
        sys.exit(f'{args.masks} holds no PNG.')
    try:
        ids = listed_ids(args.list, found, args.masks) if args.list else sorted(found)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    return {image_id: found[image_id] for image_id in ids}


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    masks = find_masks(args)
    if not 0 <= args.shared <= 1:
        sys.exit(f'--shared is a share of the noise, 0 to 1; got {args.shared}.')
    numbers = dict(ratio=args.ratio, seed=args.seed, sizes=tuple(args.sizes))
    options = dict(both_ways=args.both_ways, shared=args.shared)
    name = args.name or f'noise{args.ratio:g}'
    folders = {
        draw: SeedFolder(
            args.out / f'{name}_{draw:02d}',
            # Options that are off are not part of the recipe.
            dict(numbers, kind='block noise', draw=draw, **{k: v for k, v in options.items() if v}),
        )
        for draw in range(args.draws)
    }
    run = MapRun(folders, list(masks), workers=args.workers, limit=args.limit)
    run.prepare(overwrite=args.overwrite)
    report = run.make(
        lambda image_id, files: (masks[image_id], image_id, files),
        partial(draw_image, **numbers, **options),
    )
    print(f'{len(folders)} label maps an image in {args.out}.\n{report.summary()}')
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
