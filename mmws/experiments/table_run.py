"""A table of the paper as jobs, and the report of their results."""

from __future__ import annotations

import io
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from PIL import Image

from mmws.seeds.bank import write_atomically
from mmws.version import __version__
from mmws.visualization.training_curves import right_weight_curves

from . import report
from .cell_run import CellRun, torchrun, training_log
from .cells import NOISE_RATIOS, TABLES, Table
from .jobs import Job
from .paths import project_root
from .small_data import CLASSIFIERS, SmallData

_HONEST = (
    'In brackets: what the paper reports for VOC 2012 val. Figures measured on other data cannot '
    'be compared with them, only which of two cells is higher.'
)


@dataclass(frozen=True)
class VOCData:
    """Data that are there already, in VOC's layout.

    Attributes:
        folder: Where the results go.
        root: The data; None for ``data/VOCdevkit/VOC2012``, ``data/seeds`` and ``data/noisy``,
            as the configs have it.
    """

    folder: Path
    root: Path | None = None

    def options(self, config: str, *, epochs: int | None = None, seed: int = 0) -> list[str]:
        """``key=value`` that make a config of ``configs/tables/voc12`` read these data."""
        options = [f'randomness.seed={seed}']
        if self.root is not None:
            dataset = 'train_dataloader.dataset'
            options += [f'{key}.dataset.data_root={self.root}' for key in ('val_dataloader',)]
            options += [f'test_dataloader.dataset.data_root={self.root}']
            if config.endswith('gt'):
                options.append(f'{dataset}.data_root={self.root}')
            else:
                kind = 'noisy' if config.startswith('noise') else 'seeds'
                options += [
                    f'{dataset}.dataset.data_root={self.root}',
                    f'{dataset}.seed_root={self.root / kind}',
                ]
        if epochs is not None:
            options += [f'train_cfg.max_epochs={epochs}', f'train_cfg.val_interval={epochs}']
        return options


class TableRun:
    """Runs the cells of a table.

    Args:
        name: Of :data:`mmws.experiments.cells.TABLES`.
        data: Where the images and seeds are, or how they are made.
        repeats: Trainings of each cell, with the seeds 0, 1, 2, ...
        cells: Only these configs.
        epochs: Instead of the configs' own, for a trial.
        gpus: GPUs of one training.

    Raises:
        ValueError: A config that the table does not have, or a table that needs other data.
    """

    def __init__(
        self,
        name: str,
        data: SmallData | VOCData,
        *,
        repeats: int = 1,
        cells: Sequence[str] | None = None,
        epochs: int | None = None,
        gpus: int = 1,
    ):
        self.name = name
        self.table: Table = TABLES[name]
        self.data = data
        self.small = isinstance(data, SmallData)
        kind = 'shapes' if self.small else 'voc12'
        if self.table.data not in (None, kind):
            raise ValueError(f'{name} has configs for {self.table.data} data only, not for {kind}.')
        self.configs = self.table.configs()
        unknown = sorted(set(cells or ()) - set(self.configs))
        if unknown:
            raise ValueError(
                f'{name} has no cell {", ".join(unknown)}; it has {", ".join(self.configs)}.'
            )
        if cells:
            self.configs = [config for config in self.configs if config in cells]
        self.repeats = repeats
        self.epochs = epochs
        self.gpus = gpus

    def _path(self, config: str) -> Path:
        kind = 'shapes' if self.small else 'voc12'
        return project_root() / 'configs' / 'tables' / kind / f'{config}.py'

    def _cell(self, config: str, repeat: int, needs: tuple[str, ...] = ()) -> CellRun:
        launcher = dict(launcher=torchrun(self.gpus)) if self.gpus > 1 else {}
        return CellRun(
            name=config if self.repeats == 1 else f'{config} #{repeat}',
            config=self._path(config),
            folder=self.data.folder / 'cells' / config / f'seed{repeat}',
            options=self.data.options(config, epochs=self.epochs, seed=repeat),
            # As the author tests; small data are tested in one pass.
            test_flags=() if self.small else ('--tta', '--crf'),
            needs=needs,
            **launcher,
        )

    def seeds_of(self, config: str) -> list[str]:
        """Names of the seed folders that a config reads."""
        return list(
            Config.fromfile(self._path(config)).train_dataloader.dataset.get('seed_dirs', [])
        )

    def check(self) -> None:
        """Looks for what the trainings read before the first one starts.

        Raises:
            FileExistsError: The work dir holds other small data.
            FileNotFoundError: Seeds are missing.
        """
        if self.small:
            self.data.claim()
            return
        missing: dict[Path, str] = {}
        for config in self.configs:
            cfg = Config.fromfile(self._path(config))
            options = dict(o.split('=', 1) for o in self.data.options(config))
            dataset = cfg.train_dataloader.dataset
            root = options.get('train_dataloader.dataset.seed_root', dataset.get('seed_root', ''))
            for seed in dataset.get('seed_dirs', []):
                if not Path(root, seed).is_dir():
                    missing[Path(root, seed)] = config
        if missing:
            folder, config = next(iter(missing.items()))
            advice = 'tools/generate_seeds.py makes the seeds (docs/seeds.md)'
            if config.startswith('noise'):
                advice = 'tools/make_noisy_labels.py MASKS --ratio 0.1 --draws 12 makes the noise'
            elif folder.name.endswith(('max', 'mean')):
                advice += '; those of merged CAMs with --cfg-options seeds.merge=max'
            raise FileNotFoundError(
                f'{len(missing)} seed folders are missing, the first: {folder} (for {config}). '
                f'{advice}.'
            )

    def jobs(self) -> list[Job]:
        """Everything that has to run, the cells of the first repeat first."""
        cells = [(c, repeat) for repeat in range(self.repeats) for c in self.configs]
        if not self.small:
            return [self._cell(config, repeat).job() for config, repeat in cells]
        seeds = {config: self.seeds_of(config) for config in self.configs}
        needs = {config: self._needs(config, seeds[config]) for config in self.configs}
        wanted = {name for names in needs.values() for name in names}
        before = self.data.jobs(
            noise=[ratio for ratio in NOISE_RATIOS if f'noise {ratio}' in wanted],
            seeds=[net for net in CLASSIFIERS if f'{net} seeds' in wanted],
            merges=[merge for merge in ('max', 'mean') if f'vgg16 seeds ({merge})' in wanted],
        )
        return before + [self._cell(c, repeat, needs[c]).job() for c, repeat in cells]

    @staticmethod
    def _needs(config: str, seeds: Sequence[str]) -> tuple[str, ...]:
        """The jobs of :meth:`SmallData.jobs` that a cell has to wait for."""
        needs = {'images', 'vgg16 classifier'}
        if 'noise' in config:
            return (*needs, f'noise {config.split("noise")[1].split("_")[0]}')
        for seed in seeds:
            net, _, tag = seed.split('_')
            needs.add(f'{net} seeds' + (f' ({tag})' if tag in ('max', 'mean') else ''))
        return tuple(needs)

    def results(self) -> dict[str, list[float]]:
        """mIoU in percent of each config's finished repeats; with the CRF where there is one."""
        results = {}
        for config in self.table.configs():
            found = [self._cell(config, repeat).result() for repeat in range(self.repeats)]
            values = [r.get('mIoU_crf', r['mIoU']) for r in found if r is not None]
            if values:
                results[config] = values
        return results

    def write_report(self) -> Path:
        """Writes the table of what is there; the path of its Markdown."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else f'{cores} CPU cores'
        repeats = 'one training each'
        if self.repeats > 1:
            repeats = f'mean ± standard deviation of up to {self.repeats} trainings'
        honest = _HONEST if any(cell.paper is not None for cell in self.table.cells) else ''
        notes = (
            f'mIoU in percent, {repeats}. {honest}\n\nmmws {__version__}, torch '
            f'{torch.__version__}, Python {platform.python_version()}, {device}.'
        )
        if self.table.right_weight:
            notes += self._write_right_weight()
        name = 'shapes' if self.small and self.data.masks is None else self.data.folder.name
        return report.write_report(
            self.data.folder,
            self.name,
            self.table,
            self.results(),
            heading=f'{_title(self.name)}: {self.table.title} ({name})',
            notes=notes,
        )

    def _write_right_weight(self) -> str:
        """Draws the weight of right labels in the first repeats; the Markdown that shows it."""
        panels: dict[str, dict[str, list[dict]]] = {}
        for cell in self.table.cells:
            log = training_log(self._cell(cell.config, 0).folder)
            if not cell.config.endswith('_plain') and log:
                panels.setdefault(cell.row, {})[cell.column] = log
        if not panels:
            return ''
        path = self.data.folder / f'{self.name}_right_weight.png'
        png = io.BytesIO()
        Image.fromarray(right_weight_curves(panels)).save(png, format='png')
        write_atomically(path, png.getvalue())
        return (
            '\n\nThe share of weight that right labels get while the network learns, mean over the '
            f'classes, first repeat:\n\n![Weight of right labels]({path.name})'
        )


def _title(name: str) -> str:
    """``table5`` -> ``Table 5``."""
    return re.sub(r'(\D)(\d)', r'\1 \2', name.capitalize())
