"""Make a data root of VOC's images that show nothing but some classes.

    python tools/make_voc_subset.py data/VOCdevkit/VOC2012 --out data/voc_animals \\
        --classes cat cow dog horse person sheep --with cat cow dog horse sheep --most 240

Lists and image-level labels are read from VOC's XML files; images and masks are linked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmws.classification.voc_subset import write_subset
from mmws.files.arguments import at_least


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('voc_root', type=Path, metavar='VOC2012', help='data root of VOC 2012')
    parser.add_argument('--out', type=Path, required=True, help='the new data root')
    parser.add_argument('--classes', nargs='+', required=True, help='what may be in an image')
    parser.add_argument(
        '--with', nargs='+', dest='need', metavar='CLASS', help='what one of must be in it'
    )
    parser.add_argument(
        '--most',
        type=at_least(1),
        metavar='N',
        help='also list a balanced part, N images of a class',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    counts = write_subset(args.voc_root, args.out, args.classes, need=args.need, most=args.most)
    for name, count in counts.items():
        print(f'{args.out}/ImageSets/Segmentation/{name}.txt: {count} images')
    return 0


if __name__ == '__main__':
    sys.exit(main())
