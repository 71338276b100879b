"""Runs the tools as their users do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def tool():
    """Starts ``python tools/<name> ...`` elsewhere than in the repository."""

    def start(name, *arguments, cwd, wait=True):
        environment = dict(os.environ, PYTHONPATH=str(REPOSITORY), OMP_NUM_THREADS='1')
        command = [sys.executable, str(REPOSITORY / 'tools' / name), *map(str, arguments)]
        options = dict(cwd=cwd, env=environment, text=True)
        if not wait:
            return subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
            )
        return subprocess.run(command, capture_output=True, timeout=900, **options)

    return start


@pytest.fixture(scope='session')
def demo(tool, tmp_path_factory):
    """A small demo: its folder, how it was started, and what it printed."""
    folder = tmp_path_factory.mktemp('demo')
    options = ['--out', folder, '--train', 24, '--val', 8, '--jobs', 1]
    options += ['--epochs', 1, '--classifier-epochs', 1]
    done = tool('demo.py', *options, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, options, done.stdout
