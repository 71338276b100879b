"""Make seeds: python tools/generate_seeds.py CONFIG CHECKPOINT --out SEED_ROOT ..."""

import argparse
import sys

from mmengine.logging import MMLogger

from mmws.classification.seed_generation import build_generation
from mmws.files.arguments import add_arguments, read_config
from mmws.files.worker_pool import share_of_work
from mmws.seeds.seed_recipe import TYPES


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Turn a CAM classifier into folders of seeds. Stop it whenever you like and '
        'run it again: it continues, and the folders are the same. Under torchrun or srun each '
        'process makes its share.'
    )
    parser.add_argument('config', help='config of the classifier, with the recipe `seeds`')
    parser.add_argument(
        'checkpoint', nargs='?', help='its checkpoint; not needed if --cams holds all CAMs'
    )
    parser.add_argument('--out', required=True, metavar='SEED_ROOT', help='one folder a seed in it')
    parser.add_argument('--dry-run', action='store_true', help='check, tell what is to do, stop')
    parser.add_argument('--scales', type=float, nargs='+', help='instead of the scales of `seeds`')
    parser.add_argument('--types', nargs='+', choices=TYPES, help='instead of the types of `seeds`')
    parser.add_argument('--cams', metavar='DIR', help='keep the CAMs here, use those that are here')
    add_arguments(parser, 'cfg-options', 'device', 'limit', 'overwrite', 'workers')
    args = parser.parse_args(argv)
    if args.overwrite and share_of_work()[1] > 1:
        parser.error("--overwrite: several processes would empty each other's folders")
    return args


def main(argv: list[str] | None = None) -> int:
    args = parse_args(argv)
    MMLogger.get_instance('mmws', logger_name='mmws')
    cfg = read_config(args.config, args.cfg_options)
    generation = build_generation(
        cfg,
        args.checkpoint,
        args.out,
        scales=args.scales,
        types=args.types,
        cams_dir=args.cams,
        device=args.device,
        workers=args.workers,
        limit=args.limit,
    )
    if args.dry_run:
        print(generation.describe(overwrite=args.overwrite))
        return 0
    generation.prepare(overwrite=args.overwrite)
    report = generation.run()
    print(generation.summary(report))
    return 1 if report.failed else 0


if __name__ == '__main__':
    sys.exit(main())
