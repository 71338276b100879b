"""Puts configs, tools and model-index.yml into the wheel as mmws/.mim, where `mim` looks."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


class BuildWithMim(build_py):
    def run(self):
        super().run()
        # mim and mmengine do not find the files of an editable install, wherever they are.
        if not getattr(self, 'editable_mode', False):
            copy_mim_parts(Path(self.build_lib) / 'mmws' / '.mim')


def copy_mim_parts(target):
    # A build folder may hold files that have been deleted since.
    shutil.rmtree(target, ignore_errors=True)
    ignored = shutil.ignore_patterns('__pycache__')
    for folder in ('configs', 'tools'):
        shutil.copytree(ROOT / folder, target / folder, ignore=ignored)
    shutil.copy2(ROOT / 'model-index.yml', target)


setup(cmdclass={'build_py': BuildWithMim})
