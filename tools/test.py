"""Test a model: python tools/test.py CONFIG CHECKPOINT [--tta] [--crf] [--out DIR] ..."""

import argparse
import os

from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmws import run_config
from mmws.evaluation import outputs
from mmws.files.arguments import add_arguments, read_config


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Test a segmentor, a CAM classifier, or any other model of an OpenMMLab config.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file, or a work dir: its newest one')
    parser.add_argument(
        '--work-dir', help='folder for logs and metrics (work_dirs/<name of the config>)'
    )
    parser.add_argument('--out', metavar='DIR', help='folder for the predictions, as palette PNGs')
    parser.add_argument(
        '--format-only',
        action='store_true',
        help='read no ground truth; write to --out what the VOC test server takes',
    )
    parser.add_argument(
        '--competition',
        choices=outputs.COMPETITIONS,
        default='comp5',
        help='with --format-only: trained on VOC data only (comp5), or on other data too',
    )
    parser.add_argument(
        '--crf', action='store_true', help='refine by DenseCRF too: mIoU with and without it'
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument('--show', action='store_true', help='show the predictions in a window')
    parser.add_argument('--show-dir', metavar='DIR', help='folder for painted images')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds that a window is shown')
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
    run_config.add_checks(cfg)
    cfg.load_from, cfg.resume = run_config.checkpoint_file(args.checkpoint), False
    if args.show or args.show_dir:
        outputs.set_visualization(
            cfg, show=args.show, show_dir=args.show_dir, wait_time=args.wait_time
        )
    if args.tta:
        outputs.set_tta(cfg, scores=args.crf)
    out = args.out
    if args.format_only and out is not None:
        out = outputs.submission_dir(out, args.competition)
    outputs.set_test_outputs(cfg, crf=args.crf, out=out, format_only=args.format_only)
    if args.limit is not None:
        run_config.limit_dataset(cfg, 'test_dataloader', args.limit)

    def test(runner: Runner) -> None:
        # Hooks ask for runner.iter, for which mmengine would build the training data.
        runner._train_loop = None
        runner.test()
        if args.format_only and is_main_process():
            archive = outputs.pack_submission(out, len(runner.test_dataloader.dataset))
            print(f'For the test server: {archive}')

    run_config.run(cfg, test)


if __name__ == '__main__':
    main()
