"""The main job on embedded data: many noisy labels against one, in minutes on two cores.

    make demo            (or: python tools/demo.py --out work_dirs/demo)

Makes the synthetic Shapes data, draws twelve noisy labels per image (30% of the foreground replaced
by background), trains a small LargeFOV network from scratch with one of them, with two, with all
twelve and with the ground truth, and prints the mIoU of each on held-out images. What is finished
is kept: an interrupted run continues, and a second one only prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

import mmws  # before mmseg
from mmws.engine.worker_pool import available_cores
from mmws.seeds.label_map import read_label_map
from mmws.visualization import prediction_sheet

ROOT = Path(__file__).resolve().parents[1]
NOISE = 'noise0.3'
# Config below configs/shapes, and what it stands for.
CELLS = {
    f'{NOISE}_1seed': 'one noisy label',
    f'{NOISE}_2seeds': 'two, plain average',
    f'{NOISE}_12seeds_plain': 'twelve, plain average',
    f'{NOISE}_12seeds': 'twelve, WST',
    f'{NOISE}_12seeds_late': 'twelve, WST in the second half',
    f'{NOISE}_12seeds_vote': 'majority vote of twelve as one label',
    'gt': 'trained with the ground truth',
}


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--train', type=int, default=1000, help='number of training images')
    parser.add_argument('--val', type=int, default=200, help='number of validation images')
    parser.add_argument('--epochs', type=int, default=9)
    parser.add_argument('--seed', type=int, default=0, help='of the data and of the trainings')
    parser.add_argument(
        '--cells',
        nargs='+',
        choices=CELLS,
        default=[cell for cell in CELLS if not cell.endswith('_late')],
        help='which rows',
    )
    parser.add_argument(
        '--jobs', type=int, help='trainings at a time (one per core, or one on a GPU)'
    )
    return parser.parse_args()


def run(tool: str, *arguments) -> None:
    """Runs a tool to its end; its own message is the error."""
    if subprocess.run([sys.executable, ROOT / 'tools' / tool, *map(str, arguments)]).returncode:
        sys.exit(f'tools/{tool} failed; run the demo again to continue where it stopped.')


def make_data(args: argparse.Namespace) -> Path:
    """Shapes and its noisy labels."""
    data = args.out / 'data'
    numbers = ['--train', args.train, '--val', args.val, '--seed', args.seed]
    run('make_shapes.py', '--out', data, *numbers)
    run(
        'make_noisy_labels.py',
        *(data / 'SegmentationClassAug', '--out', data / 'noisy'),
        *('--list', data / 'ImageSets/Segmentation/train.txt'),
        # Blocks of 8 to 64 pixels are for photos of 500.
        *('--ratio', 0.3, '--draws', 12, '--sizes', 4, 16, '--seed', args.seed),
    )
    return data


def train_command(args: argparse.Namespace, cell: str, data: Path) -> list[str]:
    """tools/train.py for one cell of the table."""
    dataset = 'train_dataloader.dataset'
    options = [f'val_dataloader.dataset.data_root={data}', f'randomness.seed={args.seed}']
    if cell == 'gt':
        options += [f'{dataset}.data_root={data}']
    else:
        options += [f'{dataset}.dataset.data_root={data}', f'{dataset}.seed_root={data}/noisy']
    options += [
        f'train_cfg.max_epochs={args.epochs}',
        f'train_cfg.val_interval={args.epochs}',
        f'param_scheduler.0.total_steps={args.epochs}',
    ]
    config = ROOT / 'configs' / 'shapes' / f'{cell}.py'
    return [
        *(sys.executable, str(ROOT / 'tools' / 'train.py'), str(config), '--resume'),
        *('--work-dir', str(args.out / cell), '--cfg-options', *options),
    ]


def train_all(args: argparse.Namespace, data: Path) -> None:
    """Trains the cells that have no result yet, several at a time, and says how far they are."""
    waiting = [cell for cell in args.cells if not result_path(args, cell).is_file()]
    # Small networks gain nothing from a second thread, and lose much where cores are shared.
    jobs = args.jobs or (1 if torch.cuda.is_available() else available_cores())
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    running: dict[str, subprocess.Popen] = {}
    start = said = time.monotonic()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                folder = args.out / cell
                folder.mkdir(parents=True, exist_ok=True)
                with open(folder / 'train.log', 'a') as log:
                    command = train_command(args, cell, data)
                    running[cell] = subprocess.Popen(
                        command, stdout=log, stderr=log, env=environment
                    )
                print(f'training: {CELLS[cell]}', flush=True)
            time.sleep(0.5)
            for cell, process in list(running.items()):
                if process.poll() is None:
                    continue
                del running[cell]
                record = last_record(args, cell, 'mIoU')
                if process.returncode or record is None:
                    sys.exit(
                        f'The training of "{CELLS[cell]}" stopped (exit {process.returncode}). Its '
                        f'messages are in {args.out / cell / "train.log"}; run again to continue.'
                    )
                result_path(args, cell).write_text(json.dumps(record))
                print(f'  {record["mIoU"]:5.1f} mIoU  {CELLS[cell]}', flush=True)
            if time.monotonic() - said > 20:
                said = time.monotonic()
                parts = [f'{CELLS[cell]}: {progress(args, cell)}' for cell in running]
                parts.append(f'{len(waiting)} waiting')
                print(f'[{said - start:4.0f} s] {"; ".join(parts)}', flush=True)
    finally:
        for process in running.values():
            process.terminate()


def last_record(args: argparse.Namespace, cell: str, key: str) -> dict | None:
    """The newest line of mmengine's scalar log that has this key."""
    for log in sorted((args.out / cell).glob('*/vis_data/scalars.json'), reverse=True):
        for line in reversed(log.read_text().splitlines()):
            record = json.loads(line)
            if key in record:
                return record
    return None


def progress(args: argparse.Namespace, cell: str) -> str:
    record = last_record(args, cell, 'loss')
    if record is None:
        return 'starting'
    return f'epoch {record["epoch"]}/{args.epochs}, loss {record["loss"]:.2f}'


def result_path(args: argparse.Namespace, cell: str) -> Path:
    return args.out / cell / 'result.json'


def draw_predictions(args: argparse.Namespace, data: Path) -> Path:
    """A sheet of held-out images, their ground truth, and what each model says."""
    from mmseg.apis import inference_model, init_model

    path = args.out / 'predictions.png'
    newest = max(result_path(args, cell).stat().st_mtime for cell in args.cells)
    if path.is_file() and path.stat().st_mtime > newest:
        return path
    ids = (data / 'ImageSets/Segmentation/val.txt').read_text().split()[:8]
    images = [cv2.imread(str(data / 'JPEGImages' / f'{i}.jpg'))[..., ::-1] for i in ids]
    columns = {
        'image': images,
        'true labels': [read_label_map(data / 'SegmentationClassAug' / f'{i}.png') for i in ids],
    }
    for cell in args.cells:
        checkpoint = (args.out / cell / 'last_checkpoint').read_text().strip()
        model = init_model(str(args.out / cell / f'{cell}.py'), checkpoint, device='cpu')
        results = inference_model(model, [np.ascontiguousarray(i[..., ::-1]) for i in images])
        columns[CELLS[cell]] = [
            r.pred_sem_seg.data[0].cpu().numpy().astype(np.uint8) for r in results
        ]
    metainfo = mmws.datasets.ShapesDataset.METAINFO
    sheet = prediction_sheet(columns, metainfo['classes'], metainfo['palette'])
    cv2.imwrite(str(path), sheet[..., ::-1])
    return path


def print_table(args: argparse.Namespace) -> None:
    print(f'\nmIoU on {args.val} held-out Shapes images, one run each (seed {args.seed})\n')
    for cell in args.cells:
        record = json.loads(result_path(args, cell).read_text())
        print(f'  {CELLS[cell]:<38} {record["mIoU"]:5.1f}')


def explain(args: argparse.Namespace) -> None:
    """Why WST may be far below the plain average here, if it is."""
    pair = [f'{NOISE}_12seeds_plain', f'{NOISE}_12seeds']
    if not set(pair) <= set(args.cells):
        return
    plain, wst = (json.loads(result_path(args, cell).read_text())['mIoU'] for cell in pair)
    if wst < plain - 2:
        print(
            "\nWST selects seeds by the network's own prediction. Here it starts from nothing and\n"
            'all seeds err towards background, so its first guess, background, is confirmed. The\n'
            'paper starts from ImageNet weights, with seeds that err both ways. Without them use\n'
            'the plain average (scale=0), or WST late (warmup=0.5).'
        )


def main():
    args = parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    settings = args.out / 'settings.json'
    wanted = dict(train=args.train, val=args.val, epochs=args.epochs, seed=args.seed)
    if settings.is_file() and json.loads(settings.read_text()) != wanted:
        sys.exit(f'{args.out} holds a demo with other settings: choose another --out.')
    settings.write_text(json.dumps(wanted))
    data = args.out / 'data'
    finished = all(result_path(args, cell).is_file() for cell in args.cells)
    if not finished:
        data = make_data(args)
        train_all(args, data)
    sheet = draw_predictions(args, data)
    print_table(args)
    explain(args)
    print(f'\nPredictions: {sheet}')


if __name__ == '__main__':
    main()
