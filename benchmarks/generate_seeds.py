"""Seeds of kept CAMs from file to file, with one worker and with more.

    python benchmarks/generate_seeds.py CONFIG CAMS [--workers 1 2] [--limit N] [--cfg-options ...]

CAMS is what tools/generate_seeds.py --cams has kept: reading images, saliency and CAMs, threshold
and CRF seeds and writing are measured, the network is not. On a GPU that takes milliseconds an
image, so what is measured is what a user with a GPU waits for.
"""

import argparse
import statistics
import tempfile
import time

from mmengine.config import Config, DictAction

from mmws.engine.seed_command import build_generation

VOC_IMAGES = 10582


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config')
    parser.add_argument('cams')
    parser.add_argument('--workers', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--limit', type=int, default=20, help='number of images')
    parser.add_argument('--rounds', type=int, default=2)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    if args.cfg_options:
        config.merge_from_dict(args.cfg_options)
    rates = {workers: [] for workers in args.workers}
    for _ in range(args.rounds):  # in turns: a shared machine is not equally fast all the time
        for workers in args.workers:
            with tempfile.TemporaryDirectory() as out:
                options = dict(cams_dir=args.cams, workers=workers, limit=args.limit)
                generation = build_generation(config, None, out, **options)
                generation.prepare()
                start = time.perf_counter()
                report = generation.run()
                rates[workers].append(report.made / (time.perf_counter() - start))
    print('\n| workers | images/s | against the first | hours for 10,582 images |')
    print('|---|---|---|---|')
    first = statistics.median(rates[args.workers[0]])
    for workers, values in rates.items():
        rate = statistics.median(values)
        hours = VOC_IMAGES / rate / 3600
        print(f'| {workers} | {rate:.2f} | {rate / first:.2f}x | {hours:.1f} |')


if __name__ == '__main__':
    main()
