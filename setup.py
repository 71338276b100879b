"""Puts configs, tools and model-index.yml into the wheel as mmws/.mim, where `mim` looks."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
MIM_PARTS = ('configs', 'tools', 'model-index.yml')


class BuildWithMim(build_py):
    def run(self):
        super().run()
        if getattr(self, 'editable_mode', False):
            return  # a checkout is its own mim layout
        target = Path(self.build_lib) / 'mmws' / '.mim'
        for part in MIM_PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(
                    source,
                    target / part,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns('__pycache__'),
                )
            elif source.is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / part)


setup(cmdclass={'build_py': BuildWithMim})
