"""A training step with twelve seeds against a stock step with one label: time and peak memory.

    python benchmarks/iteration.py [--only PSPNet] [--batch 2] [--rounds 5] [--device cuda]
    python benchmarks/iteration.py --only LargeFOV --rules wst em

Whole models with random weights, forward, loss and backward: the paper's LargeFOV VGG16 at its crop
of 321, PSPNet R50 (21 classes) and SegFormer-B0 (150 classes) at 512. On a CPU the time is the
process's own, which other work on the machine changes little. Data loading is in
benchmarks/loader.py, other families are in benchmarks/families.py.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import torch
from families import light, load
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from paired import peak_bytes, ratio, seconds_in_turn
from seed_properties import Batch, build_pair, every_step

import mmws
from mmws.models.rules import RULES

CONFIG = Path(__file__).resolve().parents[1] / 'configs/msws/deeplabv2_vgg16_12seeds.py'
SIZES = {'LargeFOV': 321, 'PSPNet': 512, 'SegFormer': 512}


def config_of(name: str, size: int) -> Config:
    """The stock model."""
    if name != 'LargeFOV':
        return load(name, size)
    model = light(Config.fromfile(CONFIG).model.to_dict(), size)
    model['type'] = model.pop('base', 'EncoderDecoder')
    model['backbone']['init_cfg'] = model['decode_head']['init_cfg'] = None
    model['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', avg_non_ignore=True)
    return Config(dict(model={**model, 'data_preprocessor': None})).model


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', choices=list(SIZES), default=list(SIZES))
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--size', type=int, help='of the images, in place of 321 and 512')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument(
        '--rules',
        nargs='+',
        choices=sorted(RULES.module_dict),
        help='steps with these rules against one with the plain average',
    )
    args = parser.parse_args()
    init_default_scope('mmseg')
    MMLogger.get_current_instance().setLevel('ERROR')
    device = torch.device(args.device)
    threads = torch.get_num_threads()
    print(f'{device.type}, {threads} threads, batch {args.batch}, mmws {mmws.__version__}\n')
    base = 'plain average' if args.rules else 'one label'
    print(f'| step with 12 seeds / {base} | time | peak memory | {base} |\n|---|---|---|---|')
    for name, rule in product(args.only, args.rules or ['wst']):
        size = args.size or SIZES[name]
        stock, model = build_pair(
            config_of(name, size), dict(rule=rule), args.device, initialise=False
        )
        batch = Batch(
            model.num_classes,
            size=(size, size),
            batch=args.batch,
            num_seeds=12,
            device=args.device,
        ).without_unknown()
        seeds = batch.seeds[:, :1]
        if args.rules:
            seeds = batch.seeds
            _, stock = build_pair(
                config_of(name, size), dict(rule='plain'), args.device, initialise=False
            )
        steps = {
            'base': every_step(stock, batch, seeds),
            'seeds': every_step(model, batch, batch.seeds),
        }
        seconds = seconds_in_turn(steps, rounds=args.rounds, device=device.type)
        peaks = {key: peak_bytes(step, device) for key, step in steps.items()}
        cells = (
            f'{name}, {size}' + (f', {rule}' if args.rules else ''),
            f'{ratio(seconds["seeds"], seconds["base"]):.3f}x',
            f'{peaks["seeds"] / peaks["base"]:.3f}x',
            f'{min(seconds["base"]):.2f} s, {peaks["base"] / 2**20:.0f} MiB',
        )
        print(f'| {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    main()
