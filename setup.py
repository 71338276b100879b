"""Puts configs, tools and model-index.yml into the package as mmws/.mim, where `mim` looks."""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MIM_PARTS = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False):
            _link(ROOT / 'mmws' / '.mim')
        else:
            _copy(Path(self.build_lib) / 'mmws' / '.mim')


def _copy(target):
    """A fresh copy: what an earlier build left there may have been deleted since."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in MIM_PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns('__pycache__')
            shutil.copytree(source, target / part, ignore=ignored)
        else:
            shutil.copy2(source, target / part)


def _link(target):
    """Of an editable install: the checkout's own files, so that edits count."""
    target.mkdir(exist_ok=True)
    for part in MIM_PARTS:
        link = target / part
        if link.is_symlink():
            link.unlink()
        try:
            os.symlink(os.path.relpath(ROOT / part, target), link)
        except OSError as error:  # Windows without the right to make links
            print(f'mmws/.mim/{part} was not linked ({error}): mim will not find it')


setup(cmdclass={'build_py': BuildWithMim})
