"""One training iteration of the paper's network with twelve seeds against one.

    python benchmarks/iteration.py [--batch 2] [--rounds 5] [--device cuda]

The whole model of configs/msws/deeplabv2_vgg16_12seeds.py with random weights, crop 321: the data
preprocessor, forward, loss, backward. Data loading is in benchmarks/loader.py.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from paired import peak_bytes, ratio, seconds_in_turn
from wst_loss import make_seeds

import mmws  # before mmseg

from mmseg.registry import MODELS  # isort: skip
from mmseg.structures import SegDataSample  # isort: skip

CONFIG = Path(__file__).resolve().parents[1] / 'configs/msws/deeplabv2_vgg16_12seeds.py'


def make_batch(batch: int, num_seeds: int) -> dict:
    """What the loader yields."""
    seeds = make_seeds(batch, 12, 21, 321)[:, :num_seeds]
    images, samples = [], []
    for maps in seeds:
        images.append(torch.randint(0, 256, (3, 321, 321), dtype=torch.uint8))
        sample = SegDataSample(metainfo=dict(img_shape=(321, 321)))
        sample.gt_sem_seg = PixelData(data=maps[:1].long())
        sample.set_data(dict(gt_seeds=PixelData(data=maps.clone())))
        samples.append(sample)
    return dict(inputs=images, data_samples=samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    device = torch.device(args.device)
    init_default_scope('mmseg')
    cfg = Config.fromfile(CONFIG).model
    cfg.backbone.init_cfg = cfg.decode_head.init_cfg = None
    model = MODELS.build(cfg).to(device).train()
    sync = torch.cuda.synchronize if device.type == 'cuda' else lambda: None

    def step(num_seeds: int):
        data = model.data_preprocessor(copy.deepcopy(batches[num_seeds]), True)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        model.zero_grad()
        loss.backward()

    batches = {number: make_batch(args.batch, number) for number in (1, 12)}
    runs = {number: lambda number=number: step(number) for number in batches}
    seconds = seconds_in_turn(runs, rounds=args.rounds, sync=sync)
    memory = {number: peak_bytes(run, device) for number, run in runs.items()}
    threads = torch.get_num_threads()
    print(f'{device.type}, {threads} threads, batch {args.batch}, mmws {mmws.__version__}')
    print('| | 12 seeds / 1 seed |\n|---|---|')
    print(f'| time of an iteration | {ratio(seconds[12], seconds[1]):.3f}x |')
    print(f'| peak memory | {memory[12] / memory[1]:.3f}x |')


if __name__ == '__main__':
    main()
