"""The whole method on small data, from image-level labels to a page of results.

    make demo            (or: python tools/demo.py --out work_dirs/demo)

Makes the synthetic Shapes data, trains both CAM classifiers, makes twelve seeds an image, and
trains a small LargeFOV network with the best single seed, with all twelve (plain average, WST,
majority vote) and with the masks. What is finished is kept: an interrupted run goes on, and a
second one only prints the table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from mmws.experiments.demo import Demo
from mmws.experiments.jobs import JobFailed, hand_out, run_jobs
from mmws.experiments.small_data import SmallData
from mmws.files.arguments import at_least
from mmws.files.worker_pool import available_cores


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/demo'),
        help='folder of all that it makes (%(default)s)',
    )
    parser.add_argument('--train', type=at_least(1), default=500, help='number of training images')
    parser.add_argument('--val', type=at_least(1), default=200, help='number of held-out images')
    parser.add_argument('--epochs', type=at_least(1), help='of stage two (4)')
    parser.add_argument('--classifier-epochs', type=at_least(1), default=10, help='of stage one')
    parser.add_argument(
        '--seed', type=at_least(0), default=0, help='of the data and of the trainings'
    )
    parser.add_argument(
        '--from-masks', type=Path, help='label maps (VOC classes) to render instead'
    )
    parser.add_argument(
        '--jobs', type=at_least(1), help='at a time (one per core, or three on a GPU)'
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    data = SmallData(
        args.out.resolve(),
        train=args.train,
        val=args.val,
        seed=args.seed,
        masks=args.from_masks,
        classifier_epochs=args.classifier_epochs,
    )
    demo = Demo(data, epochs=args.epochs)
    gpus = torch.cuda.device_count()
    at_once = args.jobs or (3 if gpus else available_cores())
    try:
        demo.check()
        devices = hand_out(gpus, at_once)
        jobs = run_jobs(demo.first_jobs(), at_once, devices=devices)
        jobs += run_jobs(demo.second_jobs(), at_once, devices=devices)
    except KeyboardInterrupt:
        sys.exit('\nStopped. The same command goes on from here.')
    except (JobFailed, OSError, ValueError) as error:
        sys.exit(str(error))
    if jobs or not demo.page.is_file():
        demo.write_page()
    print(f'\nmIoU on {args.val} held-out images, one run each (seed {args.seed})\n')
    for title, training in demo.cells.items():
        print(f'  {title:<44} {demo.run(training).result()["mIoU"]:5.1f}')
    print(f'\nPictures and figures: {demo.page}')


if __name__ == '__main__':
    main()
