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
from functools import partial
from pathlib import Path

import mmws  # noqa: F401  (before anything of the hosts)
from mmws.datasets.named_classes import named_classes
from mmws.files.find_images import images_by_id
from mmws.files.folder import SeedFolder
from mmws.files.id_list import read_ids, read_lines
from mmws.files.map_run import MapRun
from mmws.files.worker_pool import available_cores
from mmws.seeds.annotation_file import Annotation
from mmws.seeds.conversion import (
    USES,
    ConversionJob,
    ConversionOptions,
    convert,
    find_entries,
    recognise,
)
from mmws.seeds.label_names import LabelNames
from mmws.seeds.seed import check_share

_JSON = ('COCO', 'LabelMe', 'Cityscapes', 'VIA')


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'sources', nargs='+', type=Path, help='folders, packed or not, or JSON files of annotators'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='SEED_ROOT')
    parser.add_argument('--names', nargs='+', help='of the seeds (those of the sources)')
    parser.add_argument('--images', type=Path, help='folder of the images, which tell the sizes')
    parser.add_argument('--image-suffix', help='ending of the image files, such as .jpg')
    parser.add_argument('--suffix', help='ending of the source files, such as _pred.png')
    parser.add_argument('--list', type=Path, help='only the images in this file, one a line')
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
    parser.add_argument('--limit', type=int, metavar='N', help='only the first N images')
    parser.add_argument('--workers', type=int, default=available_cores())
    parser.add_argument('--overwrite', action='store_true', help='replace folders made otherwise')
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


def label_names(args: argparse.Namespace, entries: dict, form: str) -> LabelNames:
    """How the labels of a source are translated."""
    used = {
        region.name
        for entry in entries.values()
        if isinstance(entry, Annotation)
        for region in entry.regions
    }
    if form in _JSON and args.classes is None:
        raise ValueError(
            f'{form} names its classes: give their order, such as --classes background,'
            f'{",".join(sorted(used) or ["cat", "dog"])}'
        )
    targets, sources = (
        None if text is None else named_classes(text)[0]
        for text in (args.classes, args.source_classes)
    )
    renames = dict(pair.split('=', 1) for pair in args.map)
    names = LabelNames(
        targets, sources=sources, renames=renames, reduce_zero_label=args.reduce_zero_label
    )
    for name in sorted(used):
        names.label(name)
    return names


class Conversion:
    """The conversion of one source; see ``tools/convert_seeds.py --help``."""

    def __init__(self, args: argparse.Namespace, source: Path, name: str, images: dict | None):
        colours = palette(args.palette)
        self.entries = find_entries(source, args.suffix)
        form, found = recognise(self.entries, colours)
        print(f'{source}: {len(self.entries)} images, {form}, the first {found}')
        for option in ('palette', 'background', 'ignore_below', 'source_classes'):
            if getattr(args, option) is not None and option not in USES[form]:
                flag = option.replace('_', '-')
                raise ValueError(f'--{flag} means nothing for {source}: {form}.')
        if args.list is not None:
            ids = read_ids(args.list, self.entries.__contains__)
            if missing := [image_id for image_id in ids if image_id not in self.entries]:
                raise ValueError(
                    f'{len(missing)} of {len(ids)} images of {args.list} are not in {source}, the '
                    f'first: {missing[0]}.'
                )
            self.entries = {image_id: self.entries[image_id] for image_id in ids}
        self.images = images
        if images is not None and form in _JSON:  # tools put their own folders before the names
            bare = {i if i in images else i.rpartition('/')[2]: e for i, e in self.entries.items()}
            self.entries = bare if len(bare) == len(self.entries) else self.entries
        if images is not None and (missing := [i for i in self.entries if i not in images]):
            raise ValueError(
                f'{len(missing)} of {len(self.entries)} images of {source} are not in '
                f'{args.images}, the first: {missing[0]}. Endings are cut off by --suffix and '
                '--image-suffix.'
            )
        rule = background_rule(args.background)
        self.saliency = rule.pop('saliency', None)
        self.options = ConversionOptions(
            form,
            label_names(args, self.entries, form),
            palette=colours,
            ignore_below=args.ignore_below or 0.0,
            **rule,
        )
        given = ('background', 'ignore_below', 'classes', 'source_classes', 'map', 'palette')
        given += ('suffix', 'images', 'image_suffix', 'reduce_zero_label')
        recipe = {key: getattr(args, key) for key in given}
        recipe.update(kind='conversion', form=form, source=str(source))
        recipe['images'] = args.images and str(args.images)
        folder = SeedFolder(args.out / name, recipe)
        self.run = MapRun(
            {name: folder}, list(self.entries), workers=args.workers, limit=args.limit
        )

    def job(self, image_id: str, files: dict[str, Path]) -> tuple[ConversionJob]:
        """Describe the work on one image."""
        (file,) = files.values()
        image = None if self.images is None else self.images[image_id]
        saliency = None if self.saliency is None else f'{self.saliency}/{image_id}.png'
        return (ConversionJob(self.entries[image_id], file, image, saliency),)


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    failed = 0
    try:
        if args.ignore_below is not None:
            check_share('--ignore-below', args.ignore_below)
        images = None if args.images is None else images_by_id(args.images, args.image_suffix)
        # All sources are looked at before the first is converted.
        conversions = [
            Conversion(args, source, name, images)
            for source, name in zip(args.sources, args.names, strict=True)
        ]
        for conversion in conversions:
            conversion.run.prepare(overwrite=args.overwrite)
            report = conversion.run.make(
                conversion.job, partial(convert, options=conversion.options)
            )
            print(report.summary(noted='are unknown everywhere.'))
            failed += len(report.failed)
    except (OSError, ValueError) as error:
        sys.exit(str(error))
    folders = ' '.join(str(args.out / name) for name in args.names)
    print(f'Check them: mmws check {folders}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
