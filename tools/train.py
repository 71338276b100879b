"""Train a model: python tools/train.py CONFIG [--work-dir DIR] [--resume] [--amp] ..."""

import argparse
import os

from mmws import run_config
from mmws.files.arguments import add_arguments, read_config


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Train a segmentor, a CAM classifier, or any model of an OpenMMLab config.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir', help='folder for logs and checkpoints (work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from the newest checkpoint in the work dir, or from the one named',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument(
        '--allow-partial',
        action='store_true',
        default=None,
        help='load_from may hold a part of the model; the rest keeps its initial weights',
    )
    # torch.distributed.launch passes it and sets the variable.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    add_arguments(parser, 'cfg-options', 'launcher', 'limit')
    args = parser.parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))  # mmengine reads it with MPI
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    run_config.set_work_dir(cfg, args.work_dir, args.config)
    run_config.set_resume(cfg, args.resume)
    run_config.add_checks(cfg, allow_partial=args.allow_partial)
    if args.amp:
        run_config.enable_amp(cfg)
    if args.limit is not None:
        for loader in ('train_dataloader', 'val_dataloader'):
            run_config.limit_dataset(cfg, loader, args.limit)
    run_config.run(cfg, run_config.train)


if __name__ == '__main__':
    main()
