"""Turns what others share into folders of seeds: PNGs, class maps, scores, annotations.

    python tools/convert_seeds.py irn_cams clip_es_cams --out data/pseudo --images JPEGImages
    python tools/convert_seeds.py anna.json boris.json --out data/pseudo --classes background,cat

makes one folder of each source. It recognises PNGs of class ids, of colours, of ids and certainty
(URN); .npy and .npz of class maps (AffinityNet, MCTformer, IRN, CLIP-ES), of logits or
probabilities; JSON of COCO, VIA, LabelMe and Cityscapes. docs/your_label_maps.md has examples. Stop
it whenever you like; the same command goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmws.datasets.named_classes import named_classes
from mmws.files.arguments import add_arguments
from mmws.files.find_images import images_by_id
from mmws.files.id_list import read_lines
from mmws.seeds.conversion import Conversion, ConversionOptions
from mmws.seeds.label_names import LabelNames
from mmws.seeds.seed import check_share

# What the folder's recipe says of the command line.
ASKED = ('background', 'ignore_below', 'classes', 'source_classes', 'map', 'palette')
ASKED += ('suffix', 'images', 'image_suffix', 'reduce_zero_label')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'sources', nargs='+', type=Path, help='folders, packed or not, or JSON files of annotators'
    )
    parser.add_argument(
        '--out', type=Path, required=True, metavar='SEED_ROOT', help='gets a folder of each source'
    )
    parser.add_argument('--names', nargs='+', help='of the seeds (those of the sources)')
    parser.add_argument('--images', type=Path, help='folder of the images, which tell the sizes')
    parser.add_argument('--suffix', help='ending of the source files, such as _pred.png')
    parser.add_argument(
        '--background',
        metavar='RULE',
        help='score of the background beside class maps: a number (0.25), alpha=4 for (1 - the '
        'highest score)^4, or a folder of saliency maps for 1 - saliency',
    )
    parser.add_argument(
        '--ignore-below',
        type=float,
        metavar='SHARE',
        help='pixels of less confidence become 255: less certainty, or a smaller share of all '
        'scores for the label that wins',
    )
    parser.add_argument(
        '--classes',
        help='the classes of the seeds: voc, ade or another dataset that mmseg knows, a number, '
        'names as background,cat,dog, or a file of them; other labels are refused',
    )
    parser.add_argument(
        '--source-classes', metavar='CLASSES', help='likewise those of the files, if others'
    )
    parser.add_argument(
        '--map',
        nargs='+',
        default=[],
        metavar='A=B',
        help='class (name or number) A of the files becomes B, or unknown: tv=tvmonitor 255=1',
    )
    parser.add_argument(
        '--reduce-zero-label',
        action='store_true',
        help='0 becomes unknown and the other labels move down by one, before all else',
    )
    parser.add_argument(
        '--palette',
        help='colours of masks: voc (the default), cityscapes, ... or a file with R G B of a label '
        'on each line',
    )
    add_arguments(parser, 'image-suffix', 'limit', 'list', 'overwrite', 'workers')
    args = parser.parse_args(argv)
    args.names = args.names or [s.name if s.is_dir() else s.stem for s in args.sources]
    if len(args.names) != len(args.sources) or len({*args.names}) != len(args.names):
        parser.error(f'{len(args.sources)} sources need as many different --names')
    if bad := [pair for pair in args.map if '=' not in pair]:
        parser.error(f'--map is A=B; got {bad[0]}')
    return args


def palette(text: str | None) -> list[list[int]] | None:
    """The colours that --palette asks for."""
    if text is None or text == 'voc':
        return None
    if not Path(text).is_file():
        return named_classes(text)[1]
    return [[int(part) for part in line.split()[:3]] for line in read_lines(text)]


def background_rule(text: str | None) -> dict:
    """What --background asks for: a score, an exponent, or a folder."""
    if text is None:
        return {'background': 0.25}
    if Path(text).is_dir():
        return {'saliency': text}
    name, number = ('alpha', text[6:]) if text.startswith('alpha=') else ('background', text)
    try:
        rule = {name: float(number)}
    except ValueError:
        raise ValueError(f'--background {text}: no number, no alpha=4, no such folder.') from None
    if name == 'background':
        check_share('--background', rule[name])
    elif not rule[name] > 0:
        raise ValueError(f'--background {text}: alpha must be positive.')
    return rule


def conversion_of(
    args: argparse.Namespace, source: Path, name: str, images: dict[str, str] | None
) -> Conversion:
    """The conversion of a source, as the command line asks for it."""
    targets, sources = (
        None if text is None else named_classes(text)[0]
        for text in (args.classes, args.source_classes)
    )
    rule = background_rule(args.background)
    saliency = rule.pop('saliency', None)
    options = ConversionOptions(
        LabelNames(
            targets,
            sources=sources,
            renames=dict(pair.split('=', 1) for pair in args.map),
            reduce_zero_label=args.reduce_zero_label,
        ),
        palette=palette(args.palette),
        ignore_below=args.ignore_below or 0.0,
        **rule,
    )
    asked = {key: getattr(args, key) for key in ASKED}
    asked['images'] = args.images and str(args.images)
    conversion = Conversion(
        source,
        args.out / name,
        options,
        asked=asked,
        suffix=args.suffix,
        images=images,
        saliency=saliency,
        ids=args.list,
        workers=args.workers,
        limit=args.limit,
    )
    print(conversion.found)
    return conversion


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    failed = 0
    try:
        if args.ignore_below is not None:
            check_share('--ignore-below', args.ignore_below)
        images = None if args.images is None else images_by_id(args.images, args.image_suffix)
        # All sources are looked at before the first is converted.
        conversions = [
            conversion_of(args, source, name, images)
            for source, name in zip(args.sources, args.names, strict=True)
        ]
        for conversion in conversions:
            report = conversion.run(overwrite=args.overwrite)
            print(report.summary(noted='are unknown everywhere.'))
            failed += len(report.failed)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    folders = ' '.join(str(args.out / name) for name in args.names)
    print(f'Check them: mmws check {folders}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
