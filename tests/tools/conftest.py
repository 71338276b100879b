"""The demo, run once for all tests."""

import pytest


@pytest.fixture(scope='session')
def demo(tool, tmp_path_factory):
    """A small demo: its folder, how it was started, and what it printed."""
    folder = tmp_path_factory.mktemp('demo')
    options = ['--out', folder, '--train', 24, '--val', 8, '--jobs', 1]
    options += ['--epochs', 1, '--classifier-epochs', 1]
    done = tool('demo.py', *options, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, options, done.stdout
