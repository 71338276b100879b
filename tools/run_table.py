"""Runs a table of the paper: python tools/run_table.py table1 --data shapes --repeats 3

Trains and tests the cells that have no result yet and writes Markdown, CSV and a plot with the
paper's figures beside. Stop it whenever you like and run it again: it goes on where it was.

--data shapes makes the synthetic data, both classifiers and the seeds.
--data MASKS --render does so too, with the label maps in MASKS as the objects' forms.
--data photos reads what the commands of docs/photos.md have made, and data/photo_noisy.
--data voc12 reads data/VOCdevkit/VOC2012, data/seeds and data/noisy.
--data DIR reads a root in VOC's layout instead, with the seeds in DIR/seeds and DIR/noisy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from mmws.experiments.cells import TABLES
from mmws.experiments.data import Data
from mmws.experiments.jobs import JobFailed, hand_out, run_jobs
from mmws.experiments.photos_data import PhotosData
from mmws.experiments.report import markdown
from mmws.experiments.small_data import SmallData
from mmws.experiments.table_run import TableRun
from mmws.experiments.voc_data import VOCData
from mmws.files.arguments import at_least
from mmws.files.worker_pool import available_cores


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('table', choices=TABLES, help='pilot is another name of table1')
    parser.add_argument(
        '--data', default='voc12', help='shapes, photos, voc12 or a folder (see above)'
    )
    parser.add_argument('--render', action='store_true', help='--data is a folder of label maps')
    parser.add_argument(
        '--repeats', type=at_least(1), default=1, help='trainings a cell, seeds 0, 1, 2 ...'
    )
    parser.add_argument('--out', type=Path, help='work dir (work_dirs/tables/<data>)')
    parser.add_argument(
        '--jobs', type=at_least(1), help='trainings at a time (one per core, or per GPU)'
    )
    parser.add_argument(
        '--gpus',
        type=at_least(1),
        default=1,
        help='GPUs a training; they share the batch of its config',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        help='how trainings and tests start: torchrun on this machine (for --gpus above 1), or '
        'srun, which gets the arguments in the variable SRUN_ARGS',
    )
    parser.add_argument('--epochs', type=at_least(1), help='instead of the configs, for a trial')
    parser.add_argument('--cells', nargs='+', metavar='NAME', help='only these; --print names them')
    parser.add_argument(
        '--weights',
        type=Path,
        metavar='CONFIG',
        help='start all cells on VGG16 from the weights of this config, with its normalisation, '
        'such as configs/msws/deeplabv2_vgg16-caffe_12seeds.py',
    )
    parser.add_argument(
        '--print',
        action='store_true',
        help='print the commands that train and test each cell alone, and run nothing',
    )
    parser.add_argument(
        '--report', action='store_true', help='write the table of what is there and run nothing'
    )
    small = parser.add_argument_group('data that are made here')
    small.add_argument('--train', type=at_least(1), default=2000, help='number of training images')
    small.add_argument('--val', type=at_least(1), default=200, help='number of held-out images')
    small.add_argument('--classifier-epochs', type=at_least(1), help='for a trial')
    args = parser.parse_args(argv)
    if args.launcher is None:
        args.launcher = 'none' if args.gpus == 1 else 'pytorch'
    if args.launcher == 'none' and args.gpus > 1:
        parser.error(f'{args.gpus} GPUs need a launcher: pytorch or slurm.')
    if args.launcher == 'pytorch' and (args.jobs or 1) > 1:
        parser.error('torchrun (--gpus above 1) runs one training at a time: leave --jobs out.')
    return args


def find_data(args: argparse.Namespace) -> Data:
    default = Path('work_dirs/tables')
    if args.weights is not None and (args.data in ('shapes', 'photos') or args.render):
        sys.exit('--weights is for VOC: the small networks start from their own classifier.')
    if args.data == 'shapes' or args.render:
        return SmallData(
            (args.out or default / ('rendered' if args.render else 'shapes')).resolve(),
            train=args.train,
            val=args.val,
            masks=Path(args.data) if args.render else None,
            classifier_epochs=args.classifier_epochs,
        )
    if args.data == 'photos':
        return PhotosData((args.out or default / 'photos').resolve())
    if args.data == 'voc12':
        return VOCData((args.out or default / 'voc12').resolve(), weights=args.weights)
    root = Path(args.data)
    return VOCData((args.out or default / root.name).resolve(), root, root, args.weights)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    gpus = torch.cuda.device_count()
    alone = args.launcher == 'none'
    at_once = args.jobs or ((gpus or available_cores()) if alone else 1)
    try:
        run = TableRun(
            args.table,
            find_data(args),
            repeats=args.repeats,
            cells=args.cells,
            epochs=args.epochs,
            gpus=args.gpus,
            launcher=args.launcher,
        )
        if args.print:
            for cell in run.runs():
                print(f'# {cell.name}', *cell.by_hand(), sep='\n')
            return
        run.check_results()
        if not args.report:
            run.data.check(run.trainings)
            run_jobs(run.jobs(), at_once, devices=hand_out(gpus, at_once) if alone else [])
    except KeyboardInterrupt:
        sys.exit('\nStopped. The same command goes on from here.')
    except (JobFailed, OSError, ValueError) as error:
        sys.exit(str(error))
    path = run.write_report()
    print(f'\n{markdown(run.table, run.results())}\n{path}')


if __name__ == '__main__':
    main()
