"""Compares seeds with ground truth: python tools/eval_seeds.py SEED_ROOT --gt DIR ..."""

import argparse
import functools
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import mmws  # noqa: F401  (before anything of the hosts)
from mmws.evaluation.seed_evaluation import FilesOfImage, evaluate_image, least_agreement
from mmws.evaluation.seed_scores import REFERENCES, SeedScores, rates
from mmws.files.atomic_write import write_atomically
from mmws.files.id_list import read_ids
from mmws.files.progress_bar import ProgressBar
from mmws.files.worker_pool import available_cores, map_unordered
from mmws.visualization.seed_score_plot import seed_score_plot

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Score folders of seeds against ground truth, each and together. Unknown '
        'pixels (255) of a seed are misses; "labelled" looks at the labelled pixels only.'
    )
    parser.add_argument('root', type=Path, help='SEED_ROOT')
    parser.add_argument('--gt', type=Path, required=True, help='folder of the true label maps')
    parser.add_argument('--seeds', nargs='+', help='names of the folders; all by default')
    parser.add_argument('--list', type=Path, help='image ids, one a line; all common ones if not')
    parser.add_argument('--num-classes', type=int, default=21, help='with background')
    parser.add_argument('--cams', type=Path, help='kept CAMs: tries other CAM thresholds')
    parser.add_argument('--json', type=Path, help='write the numbers here')
    parser.add_argument('--plot', type=Path, help='draw them here, as PNG')
    parser.add_argument('--workers', type=int, default=available_cores())
    parser.add_argument('--limit', type=int, metavar='N', help='the first N images only')
    return parser.parse_args(argv)


def files_of(args: argparse.Namespace) -> tuple[list[str], list[FilesOfImage]]:
    """Names of the seeds, and the files of each image."""
    names = args.seeds
    if names is None:
        if not args.root.is_dir():
            sys.exit(f'{args.root} is no folder.')
        names = sorted(f.name for f in args.root.iterdir() if f.is_dir() and any(_pngs(f)))
    if not names:
        sys.exit(f'{args.root} holds no folder of seeds.')
    there = []
    for folder in [*(args.root / name for name in names), args.gt]:
        there.append({p.relative_to(folder).with_suffix('').as_posix() for p in _pngs(folder)})
    if args.list is not None:
        try:
            ids = read_ids(args.list, set().union(*there).__contains__)
        except (FileNotFoundError, ValueError) as error:
            sys.exit(f'--list: {error}')
        for folder, found in zip([*names, args.gt], there, strict=True):
            missing = [i for i in ids if i not in found]
            if missing:
                sys.exit(f'{folder} lacks {len(missing)} of {len(ids)} images: {missing[0]}, ...')
    else:
        ids = sorted(set.intersection(*there))
        if not ids:
            sys.exit(f'no image has a map in each of {", ".join(names)} and in {args.gt}.')
        left_out = max(len(found) for found in there[:-1]) - len(ids)
        if left_out:
            print(f'{left_out} images are left out: not in every folder of seeds, or without GT.')
    stores = sorted(f.name for f in args.cams.iterdir() if f.is_dir()) if args.cams else []
    files = []
    for image_id in ids[: args.limit]:
        cams = {name: args.cams / name / f'{image_id}.npz' for name in stores}
        files.append(
            FilesOfImage(
                str(args.gt / f'{image_id}.png'),
                tuple(str(args.root / name / f'{image_id}.png') for name in names),
                {name: str(path) for name, path in cams.items() if path.is_file()},
            )
        )
    return names, files


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    names, files = files_of(args)
    total = SeedScores.empty(len(names), args.num_classes)
    equal, known = np.zeros((2, len(names), len(names)), np.int64)
    sweep: dict[tuple[str, float], np.ndarray] = {}
    work = functools.partial(
        evaluate_image, num_classes=args.num_classes, thresholds=THRESHOLDS if args.cams else ()
    )
    bar = ProgressBar(len(files))
    for found in map_unordered(
        work, files, workers=args.workers, preload='mmws.evaluation.seed_evaluation'
    ):
        total.add(found.scores)
        equal += found.equal
        known += found.known
        for name, scales in found.sweep.items():
            for scale, counts in scales.items():
                key = (name, scale)
                sweep[key] = sweep.get(key, 0) + counts
        bar.advance()
    bar.close()

    agreement = np.divide(equal, known, out=np.full(equal.shape, np.nan), where=known > 0)
    scores = [rates(counts) for counts in total.confusion]
    curves = {
        f'{name} x{scale}': [rates(counts).miou for counts in tables]
        for (name, scale), tables in sorted(sweep.items())
    }
    print(f'\n{total.images} images; unknown pixels of a seed are misses\n')
    width = max(map(len, [*names, *REFERENCES]))
    print(f'{"seed":<{width}}   mIoU  labelled  precision  recall  coverage')
    for name, rate in zip([*names, *REFERENCES], scores, strict=True):
        print(
            f'{name:<{width}}  {rate.miou:5.1%}  {rate.miou_labelled:8.1%}  '
            f'{rate.precision:9.1%}  {rate.recall:6.1%}  {rate.coverage:8.1%}'
        )
    disputed = total.disputed / max(total.pixels, 1)
    print(f'\nAt {disputed:.1%} of the pixels two seeds give different labels.')
    least = least_agreement(agreement)
    if least is not None:
        one, other, share = least
        pairs = agreement[np.triu_indices(len(names), 1)]
        print(f'Two seeds agree at {np.nanmean(pairs):.1%} of the pixels both label, on average.')
        print(f'The least: {names[one]} and {names[other]}, {share:.1%}.')
    elif len(names) > 1:
        print('No two seeds label a common pixel.')
    for name, values in curves.items():
        if np.isnan(values).all():
            continue
        best = int(np.nanargmax(values))
        print(f'CAM {name}: best threshold {THRESHOLDS[best]}, mIoU {values[best]:.1%}')
    if args.json is not None:
        content = {
            'images': total.images,
            'scores': {
                name: {**vars(rate), 'iou': rate.iou.tolist()}
                for name, rate in zip([*names, *REFERENCES], scores, strict=True)
            },
            'disputed': disputed,
            'agreement': {'seeds': names, 'share': agreement.tolist()},
            'cam_thresholds': {'thresholds': THRESHOLDS, 'miou': curves},
        }
        text = json.dumps(_without_nan(content), indent=1, allow_nan=False)
        write_atomically(args.json, (text + '\n').encode())
    if args.plot is not None:
        picture = seed_score_plot(
            names,
            [rate.miou for rate in scores[: len(names)]],
            agreement,
            references={
                name: rate.miou for name, rate in zip(REFERENCES, scores[len(names) :], strict=True)
            },
            sweep={name: (THRESHOLDS, values) for name, values in curves.items()},
        )
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(args.plot)


def _without_nan(value):
    """The same with None, JSON's null, for what is not defined."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _pngs(folder: Path):
    if not folder.is_dir():
        sys.exit(f'{folder} is no folder.')
    return folder.rglob('*.png')


if __name__ == '__main__':
    main()
