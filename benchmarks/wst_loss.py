"""The WST loss against one cross entropy and against a loop of K: time and peak memory.

    python benchmarks/wst_loss.py [--device cuda] [--rounds 15]

Prints a Markdown table: forward and backward of the loss with K seeds, divided by mmseg's
CrossEntropyLoss with one label in the same round. Seeds err like real ones: blocks of another class
over a few large regions, and some unknown pixels.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from paired import peak_bytes, ratio, seconds_in_turn

import mmws
from mmws.models import wst_weights

SHAPES = [(4, 21, 321, 321), (16, 21, 41, 41), (2, 150, 256, 256)]


def make_seeds(batch: int, num_seeds: int, num_classes: int, size: int) -> torch.Tensor:
    """(N, K, H, W) uint8: a scene of four classes an image, a tenth of it wrong in each seed."""
    rng = np.random.default_rng(0)
    seeds = np.zeros((batch, num_seeds, size, size), np.uint8)
    for image in seeds:
        classes = rng.choice(np.arange(1, num_classes), 3, replace=False)
        for label in classes:
            top, left = rng.integers(0, size * 2 // 3, 2)
            image[:, top : top + size // 2, left : left + size // 3] = label
        for seed in image:
            for label in (*classes, 0, 255):
                top, left = rng.integers(0, size * 4 // 5, 2)
                seed[top : top + size // 6, left : left + size // 6] = label
    return torch.from_numpy(seeds)


def naive(logits: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """K cross entropies, weighted by Eq. 6 and 7."""
    weights = wst_weights(logits, seeds)
    losses = [
        F.cross_entropy(logits, seed.long(), ignore_index=255, reduction='none') * weight
        for seed, weight in zip(seeds.unbind(1), weights.unbind(1), strict=True)
    ]
    return sum(losses).sum() / (seeds != 255).any(1).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--rounds', type=int, default=15)
    args = parser.parse_args()
    device = torch.device(args.device)
    init_default_scope('mmseg')
    from mmseg.models.losses import CrossEntropyLoss

    stock, wst = CrossEntropyLoss(avg_non_ignore=True), mmws.WSTLoss()

    print(f'{device.type}, {torch.get_num_threads()} threads, torch {torch.__version__}\n')
    print('| logits | K | WST time | loop time | WST memory | loop memory | one CE, ms |')
    print('|---|---|---|---|---|---|---|')
    for shape in SHAPES:
        logits = (3 * torch.randn(shape, device=device)).requires_grad_()
        for num_seeds in (1, 2, 6, 12):
            seeds = make_seeds(shape[0], num_seeds, shape[1], shape[2]).to(device)
            label = seeds[:, 0].long()

            def step(loss, target, logits=logits):
                logits.grad = None
                loss(logits, target).backward()

            functions = {
                'ce': lambda step=step, label=label: step(
                    lambda x, y: stock(x, y, ignore_index=255), label
                ),
                'wst': lambda step=step, seeds=seeds: step(wst, seeds),
                'loop': lambda step=step, seeds=seeds: step(naive, seeds),
            }
            seconds = seconds_in_turn(functions, rounds=args.rounds, device=device.type)
            memory = {name: peak_bytes(run, device) for name, run in functions.items()}
            cells = [
                'x'.join(map(str, shape)),
                str(num_seeds),
                f'{ratio(seconds["wst"], seconds["ce"]):.2f}x',
                f'{ratio(seconds["loop"], seconds["ce"]):.2f}x',
                f'{memory["wst"] / max(memory["ce"], 1):.2f}x',
                f'{memory["loop"] / max(memory["ce"], 1):.2f}x',
                f'{1e3 * np.median(seconds["ce"]):.2f}',
            ]
            print(f'| {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    main()
