"""Seeds of one or two classifiers, from images to files, with one worker and with more.

    python benchmarks/generate_seeds.py CONFIG ... [--cams DIR] [--workers 1 2] [--limit N]

By default the CAMs are made on the way, by classifiers with random weights, whose speed is that of
trained ones. With --cams those that tools/generate_seeds.py has kept are read, and the network is
not measured: on a CPU it takes most of the time, on a GPU milliseconds an image.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

import mmws  # noqa: F401  (before anything of the hosts)
from mmws.classification import build_classifier
from mmws.classification.seed_generation import build_generation

VOC_IMAGES = 10582
CRF_SEEDS = 6


def hours_for_voc(seconds_an_image: float, crf_seeds: int) -> float:
    """Projects the time for six CRF seeds of each of VOC's images.

    Args:
        seconds_an_image: For all seeds that were measured.
        crf_seeds: How many of these are CRF seeds.
    """
    return VOC_IMAGES * seconds_an_image * CRF_SEEDS / crf_seeds / 3600


def random_checkpoint(config: Config, path: Path) -> Path:
    """Writes the weights of a classifier that nothing has been loaded into."""
    torch.manual_seed(0)
    torch.save(build_classifier(config).state_dict(), path)
    return path


def measure(config: Config, checkpoint: Path | None, args: argparse.Namespace, workers: int):
    """Seconds an image of one run, and the number of CRF seeds it makes of each."""
    with tempfile.TemporaryDirectory() as out:
        generation = build_generation(
            config,
            None if checkpoint is None else str(checkpoint),
            out,
            cams_dir=args.cams,
            device=args.device,
            workers=workers,
            limit=args.limit,
        )
        generation.prepare()
        start = time.perf_counter()
        report = generation.run()
        seconds = time.perf_counter() - start
    crf_seeds = sum('_crf_' in name for name in generation.recipe.names)
    return seconds / max(report.made, 1), crf_seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', nargs='+', metavar='CONFIG', help='of one or more classifiers')
    parser.add_argument('--cams', help='kept CAMs, without the network; of all classifiers')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--limit', type=int, default=20, help='number of images')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--device', help='where the classifiers run (a GPU if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args()
    configs = [Config.fromfile(file) for file in args.configs]
    for config in configs:
        config.merge_from_dict(args.cfg_options or {})
    seconds = {workers: [] for workers in args.workers}
    with tempfile.TemporaryDirectory() as weights:
        pairs = [
            (config, None if args.cams else random_checkpoint(config, Path(weights, f'{i}.pth')))
            for i, config in enumerate(configs)
        ]
        for _ in range(args.rounds):  # in turns: a shared machine is not equally fast all the time
            for workers in args.workers:
                runs = [measure(*pair, args, workers) for pair in pairs]
                seconds[workers].append(sum(each for each, _ in runs))
                crf_seeds = sum(number for _, number in runs)
    what = 'from kept CAMs' if args.cams else 'with the network'
    print(f'\n{args.limit} images, {len(configs)} classifiers, {crf_seeds} CRF seeds, {what}\n')
    projection = f'hours for {VOC_IMAGES:,} images x {CRF_SEEDS} CRF seeds'
    print(f'| workers | images/s | against the first | {projection} |')
    print('|---|---|---|---|')
    first = statistics.median(seconds[args.workers[0]])
    for workers, values in seconds.items():
        each = statistics.median(values)
        hours = f'{hours_for_voc(each, crf_seeds):.1f}' if crf_seeds else 'no CRF seeds'
        print(f'| {workers} | {1 / each:.3g} | {first / each:.2f}x | {hours} |')


if __name__ == '__main__':
    main()
