"""Command-line arguments that several programs have."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, DictAction

from .worker_pool import worker_cores


def at_least(lowest: int, most: int | None = None) -> Callable[[str], int]:
    """Make a ``type`` for argparse: whole numbers from ``lowest`` on, up to ``most``.

    With ``type=int`` a limit of -1 leaves out the last image without a word.
    """
    bounds = f'of at least {lowest}' if most is None else f'from {lowest} to {most}'

    def whole_number(text: str) -> int:
        number = int(text)  # argparse reports its ValueError under this function's name
        if number < lowest or (most is not None and number > most):
            raise ArgumentTypeError(f'must be a whole number {bounds}; got {number}')
        return number

    return whole_number


_ARGUMENTS = {
    'cfg-options': dict(
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config; a list is "[a,b]" or a,b, in quotes where it is '
        'nested: key="[(a,b),(c,d)]"',
    ),
    'device': dict(help='cpu, cuda:1, ... (a GPU where there is one)'),
    'image-suffix': dict(help='ending of the image files, such as .jpg'),
    'launcher': dict(
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes, if there are several',
    ),
    'limit': dict(type=at_least(1), metavar='N', help='a trial run on the first N images'),
    'list': dict(type=Path, help='only the images in this file, one id a line'),
    'overwrite': dict(action='store_true', help='replace what was made otherwise'),
    'workers': dict(
        type=at_least(0), default=worker_cores(), metavar='N', help='worker processes (one a core)'
    ),
}


def add_arguments(parser: ArgumentParser, *names: str) -> None:
    """Add options that mean the same in several programs, such as ``'workers'``."""
    for name in names:
        parser.add_argument(f'--{name}', **_ARGUMENTS[name])


def read_config(path: str, changes: dict | None) -> Config:
    """Read a config file, with the changes of ``--cfg-options``."""
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(changes or {})
    return cfg
