"""What a result was made with: versions, commit, device."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch

import mmws
from mmws.files.worker_pool import available_cores

_KEYS = ('mmws', 'commit', 'torch', 'Python', 'device')


def project_root() -> Path:
    """Return the folder that holds ``configs`` and ``tools``: the checkout, or ``mmws/.mim``.

    Raises:
        FileNotFoundError: There is neither.
    """
    package = Path(mmws.__file__).parent
    for root in (package.parent, package / '.mim'):
        if (root / 'configs' / 'msws').is_dir() and (root / 'tools' / 'train.py').is_file():
            return root
    raise FileNotFoundError(
        f'configs and tools of mmws are neither beside {package} nor in it. Install mmws from a '
        'wheel or from a checkout.'
    )


def made_with(folder: Path) -> dict[str, str]:
    """Return versions and commit of this process, and the device of the training in a folder."""
    versions = {
        'mmws': mmws.__version__,
        'commit': commit(project_root()),
        'torch': torch.__version__,
        'Python': platform.python_version(),
        'device': device_of(folder),
    }
    return {key: value for key, value in versions.items() if value}


def commit(root: Path) -> str | None:
    """Return the short hash of a checkout, with ``-dirty`` after changes; None elsewhere."""
    if not (root / '.git').exists():
        return None
    command = ('git', '-C', str(root), 'describe', '--always', '--dirty', '--exclude', '*')
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def device_of(folder: Path) -> str:
    """Return the GPU in the newest log of a training, else the number of this machine's cores."""
    for log in sorted(folder.glob('*/*.log'), reverse=True):
        if found := re.search(r'^ *GPU [\d,]+: (.+)$', log.read_text(), re.MULTILINE):
            return found[1].strip()
    return f'{available_cores()} CPU cores'


def describe(results: Iterable[Mapping]) -> str:
    """Say what some results were made with: each version, commit and device once.

    Args:
        results: Of :meth:`TrainingRun.result`.
    """
    parts = []
    found = [result['made_with'] for result in results]
    for key in _KEYS:
        values = list(dict.fromkeys(made[key] for made in found if key in made))
        if values:
            parts.append(('' if key == 'device' else f'{key} ') + ' and '.join(values))
    return f'Made with {", ".join(parts)}.' if parts else ''
