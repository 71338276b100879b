"""Compares seeds with ground truth: python tools/eval_seeds.py SEED_ROOT --gt DIR ..."""

import argparse
import functools
import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.evaluation.check import MapsOfImage
from mmws.evaluation.seed_counts import REFERENCES, rates
from mmws.evaluation.seed_scores import score_image
from mmws.evaluation.tables import percent, text_table, write_json
from mmws.files.arguments import add_arguments, at_least
from mmws.files.id_list import read_ids
from mmws.files.progress_bar import ProgressBar
from mmws.files.seed_source import common_ids, seed_sources, seeds_below
from mmws.files.worker_pool import map_unordered
from mmws.visualization.plots import seed_score_plot

THRESHOLDS = tuple(np.round(np.arange(0.05, 0.96, 0.05), 2).tolist())


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Score folders of seeds against ground truth, each and together. Unknown '
        'pixels (255) of a seed are misses; "labelled" looks at the labelled pixels only.'
    )
    parser.add_argument('root', type=Path, help='SEED_ROOT')
    parser.add_argument('--gt', type=Path, required=True, help='folder of the true label maps')
    parser.add_argument('--seeds', nargs='+', help='names of the folders; all by default')
    parser.add_argument(
        '--num-classes', type=at_least(1, most=255), default=21, help='with background'
    )
    parser.add_argument('--cams', type=Path, help='kept CAMs: tries other CAM thresholds')
    parser.add_argument('--json', type=Path, help='write the numbers here')
    parser.add_argument('--plot', type=Path, help='draw them here, as PNG')
    add_arguments(parser, 'limit', 'list', 'workers')
    return parser.parse_args(argv)


def files_of(args: argparse.Namespace) -> tuple[list[str], list[MapsOfImage]]:
    """Names of the seeds, and the files of each image."""
    sources = seeds_below(args.root, args.seeds)
    (truth,) = seed_sources(str(args.gt))
    there = [source.image_ids() for source in (*sources, truth)]
    wanted = None
    if args.list is not None:
        wanted = read_ids(args.list, set().union(*there).__contains__)
    ids = common_ids([*sources, truth], wanted)
    left_out = max(map(len, there[:-1])) - len(ids)
    if left_out and wanted is None:
        print(f'{left_out} images are left out: not in every folder of seeds, or without GT.')
    stores = seeds_below(args.cams, suffix='.npz') if args.cams else []
    files = []
    for image_id in ids[: args.limit]:
        cams = {store.name: store.path(image_id) for store in stores}
        files.append(
            MapsOfImage(
                image_id,
                [source.path(image_id) for source in sources],
                truth=truth.path(image_id),
                cams={name: path for name, path in cams.items() if os.path.isfile(path)},
            )
        )
    return [source.name for source in sources], files


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    work = functools.partial(
        score_image, num_classes=args.num_classes, thresholds=THRESHOLDS if args.cams else ()
    )
    try:
        names, files = files_of(args)
        total, sweep = work(files[0])
        bar = ProgressBar(len(files))
        bar.advance()
        for counts, tables in map_unordered(
            work, files[1:], workers=args.workers, preload='mmws.evaluation.seed_scores'
        ):
            total.add(counts)
            for key, table in tables.items():
                sweep[key] = sweep.get(key, 0) + table
            bar.advance()
        bar.close()
    except (OSError, ValueError) as error:
        sys.exit(str(error))

    everything = [*names, *REFERENCES]
    scores = [rates(table) for table in total.confusion]
    curves = {
        f'{name} x{scale}': [rates(table).miou for table in tables]
        for (name, scale), tables in sorted(sweep.items())
    }
    print(f'\n{total.images} images; unknown pixels of a seed are misses; all in %\n')
    rows = [['seed', 'mIoU', 'labelled', 'precision', 'recall', 'coverage']]
    for name, rate in zip(everything, scores, strict=True):
        rows.append([name, *map(percent, rate[2:])])
    print(text_table(rows, left=(0,)))
    disputed = total.disputed / max(total.pixels, 1)
    print(f'\nAt {disputed:.1%} of the pixels two seeds give different labels.')
    rows, columns = np.triu_indices(len(names), 1)
    pairs = total.agreement[rows, columns]
    if not np.isnan(pairs).all():
        print(f'Two seeds agree at {np.nanmean(pairs):.1%} of the pixels both label, on average.')
        least = np.nanargmin(pairs)
        one, other = names[rows[least]], names[columns[least]]
        print(f'The least: {one} and {other}, {pairs[least]:.1%}.')
    elif len(names) > 1:
        print('No two seeds label a common pixel.')
    for name, values in curves.items():
        if not np.isnan(values).all():
            best = int(np.nanargmax(values))
            print(f'CAM {name}: best threshold {THRESHOLDS[best]}, mIoU {values[best]:.1%}')
    if args.json is not None:
        write_json(
            args.json,
            {
                'images': total.images,
                'scores': {
                    name: {key: np.asarray(value).tolist() for key, value in rate._asdict().items()}
                    for name, rate in zip(everything, scores, strict=True)
                },
                'disputed': disputed,
                'agreement': {'seeds': names, 'share': total.agreement.tolist()},
                'cam_thresholds': {'thresholds': THRESHOLDS, 'miou': curves},
            },
        )
    if args.plot is not None:
        picture = seed_score_plot(
            names,
            [rate.miou for rate in scores[: len(names)]],
            total.agreement,
            references={
                name: rate.miou for name, rate in zip(REFERENCES, scores[len(names) :], strict=True)
            },
            sweep={name: (THRESHOLDS, values) for name, values in curves.items()},
        )
        args.plot.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(args.plot)


if __name__ == '__main__':
    main()
