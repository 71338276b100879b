"""The share of a training that the run report takes.

    python benchmarks/run_report.py [CONFIG] [--cfg-options KEY=VALUE ...]

Trains a config, its validations included, and divides the main process's own time in RunReportHook
by that of the whole. What worker processes do to load the samples counts for neither.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

import mmws
from mmws import run_config

ROOT = Path(__file__).resolve().parents[1]


def timed(function, calls: list[float]):
    """The function, which notes its seconds."""

    def run(*args, **kwargs):
        start = time.process_time()
        function(*args, **kwargs)
        calls.append(time.process_time() - start)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'config', nargs='?', type=Path, default=ROOT / 'configs/shapes/deeplabv2_vgg16_12seeds.py'
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    run_config.add_report(cfg)
    with tempfile.TemporaryDirectory() as cfg.work_dir:
        runner = Runner.from_cfg(cfg)
        (hook,) = (hook for hook in runner.hooks if isinstance(hook, mmws.RunReportHook))
        calls = {'after_val_iter': [], 'after_val_epoch': [], 'after_train': []}
        for name, seconds in calls.items():
            setattr(hook, name, timed(getattr(hook, name), seconds))
        start = time.process_time()
        runner.train()
        whole = time.process_time() - start
    parts = {name: sum(seconds) for name, seconds in calls.items()}
    print(f'\n| part | CPU s of {whole:.1f} | share |\n|---|---|---|')
    for name, seconds in [*parts.items(), ('all', sum(parts.values()))]:
        print(f'| {name} | {seconds:.2f} | {seconds / whole:.2%} |')


if __name__ == '__main__':
    main()
