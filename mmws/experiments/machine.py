"""What a result was made with: versions, commit, device."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

from mmws.files.worker_pool import available_cores
from mmws.version import __version__

from .paths import project_root

_KEYS = ('mmws', 'commit', 'torch', 'Python', 'device')


def made_with(folder: Path) -> dict[str, str]:
    """Versions and commit of this process, and the device of the training in a folder."""
    versions = {
        'mmws': __version__,
        'commit': commit(project_root()),
        'torch': torch.__version__,
        'Python': platform.python_version(),
        'device': device_of(folder),
    }
    return {key: value for key, value in versions.items() if value}


def commit(root: Path) -> str | None:
    """The short hash of a checkout, with ``-dirty`` where files were changed; None elsewhere."""
    if not (root / '.git').exists():
        return None
    command = ('git', '-C', str(root), 'describe', '--always', '--dirty', '--exclude', '*')
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def device_of(folder: Path) -> str:
    """The GPU in the newest log of a training, which may have run on another machine; else the
    number of this one's cores."""
    for log in sorted(folder.glob('*/*.log'), reverse=True):
        if found := re.search(r'^ *GPU [\d,]+: (.+)$', log.read_text(), re.MULTILINE):
            return found[1].strip()
    return f'{available_cores()} CPU cores'


def describe(results: Iterable[Mapping[str, object]]) -> str:
    """A sentence on what some results were made with: each version, commit and device once.

    Args:
        results: Of :meth:`CellRun.result`; older ones have no ``made_with``.
    """
    found = [result.get('made_with', {}) for result in results]
    parts = []
    for key in _KEYS:
        values = list(dict.fromkeys(str(made[key]) for made in found if key in made))
        if values:
            label = '' if key == 'device' else f'{key} '
            parts.append(label + ' and '.join(values))
    if not parts:
        return ''
    older = sum(not made for made in found)
    more = f' Not written down for {older} older results.' if older else ''
    return f'Made with {", ".join(parts)}.{more}'
