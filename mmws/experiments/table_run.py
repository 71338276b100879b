"""A table of the paper as jobs, and the report of their results."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmengine.config import Config
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.visualization.training_curves import right_weight_curves

from . import report
from .cell_run import CellRun, srun, torchrun, training_log
from .cells import NOISE_RATIOS, TABLES, Table
from .jobs import Job
from .machine import describe
from .paths import project_root
from .small_data import CLASSIFIERS, SmallData
from .voc_data import VOCData

_HONEST = (
    'In brackets: what the paper reports for VOC 2012 val. Figures measured on other data cannot '
    'be compared with them, only which of two cells is higher.'
)


class TableRun:
    """Runs the cells of a table.

    Args:
        name: Of :data:`mmws.experiments.cells.TABLES`.
        data: Where the images and seeds are, or how they are made.
        repeats: Trainings of each cell, with the seeds 0, 1, 2, ...
        cells: Only these configs.
        epochs: Instead of the configs' own, for a trial.
        gpus: GPUs of one training; they share the config's batch.
        launcher: ``'none'``, ``'pytorch'`` (torchrun on this machine) or ``'slurm'``; None: none
            for one GPU, else pytorch.

    Raises:
        ValueError: A config that the table does not have, a table that needs other data, or GPUs
            that cannot share a batch.
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
        launcher: str | None = None,
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
        self.launcher = launcher or ('none' if gpus == 1 else 'pytorch')
        self._check_gpus()

    def _check_gpus(self) -> None:
        if self.launcher == 'none':
            if self.gpus > 1:
                raise ValueError(f'{self.gpus} GPUs need a launcher: pytorch or slurm.')
            return
        if self.small:
            raise ValueError(
                'the small networks train on one GPU of this machine: their batch normalisation '
                'would see other batches on several. --gpus and --launcher are for VOC.'
            )
        for config in self.table.configs():
            batch = self._batch_size(config)
            if batch % self.gpus:
                raise ValueError(
                    f'{config} trains on batches of {batch} images, which {self.gpus} GPUs cannot '
                    'share evenly.'
                )

    def _batch_size(self, config: str) -> int:
        return Config.fromfile(self._path(config)).train_dataloader.batch_size

    def _path(self, config: str) -> Path:
        kind = 'shapes' if self.small else 'voc12'
        return project_root() / 'configs' / 'tables' / kind / f'{config}.py'

    def _cell(self, config: str, repeat: int, needs: tuple[str, ...] = ()) -> CellRun:
        options = self.data.options(config, epochs=self.epochs, seed=repeat)
        if self.gpus > 1:
            batch = self._batch_size(config) // self.gpus
            options.append(f'train_dataloader.batch_size={batch}')
        launchers = dict(pytorch=torchrun, slurm=srun)
        launcher = {}
        if self.launcher in launchers:
            launcher = dict(launcher=launchers[self.launcher](self.gpus))
        return CellRun(
            name=config if self.repeats == 1 else f'{config} #{repeat}',
            config=self._path(config),
            folder=self.data.folder / 'cells' / config / f'seed{repeat}',
            epochs=self.epochs,
            options=options,
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

    def check_claims(self) -> None:
        """Refuses results of other data or settings, in any cell that the report shows.

        Raises:
            FileExistsError: The work dir holds some.
        """
        self.data.check_claim()
        for config in self.table.configs():
            for repeat in range(self.repeats):
                self._cell(config, repeat).check()

    def check(self) -> None:
        """Looks for what the trainings read before the first one starts, and claims the work dir.

        Raises:
            FileExistsError: As :meth:`check_claims`.
            FileNotFoundError: Seeds, images or masks are missing.
            ImportError: There is no CRF, which tests on VOC use.
        """
        self.check_claims()
        if not self.small:
            self.data.check({config: self._path(config) for config in self.configs})
        self.data.claim()

    def jobs(self) -> list[Job]:
        """Everything that has to run, the cells of the first repeat first."""
        cells = [(c, repeat) for repeat in range(self.repeats) for c in self.configs]
        if not self.small:
            jobs = [self._cell(config, repeat).job() for config, repeat in cells]
            if self.table.submission in self.configs and self.data.without_test() is None:
                jobs.append(self._cell(self.table.submission, 0).submission_job())
            return jobs
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

    def results(self, *, crf: bool = True) -> dict[str, list[float]]:
        """mIoU in percent of each config's finished repeats; with the CRF where there is one."""
        results = {}
        for config, found in self._found().items():
            results[config] = [r.get('mIoU_crf', r['mIoU']) if crf else r['mIoU'] for r in found]
        return results

    def _found(self) -> dict[str, list[dict]]:
        found = {}
        for config in self.table.configs():
            cells = [self._cell(config, repeat) for repeat in range(self.repeats)]
            results = [result for cell in cells if (result := cell.result()) is not None]
            if results:
                found[config] = results
        return found

    def write_report(self) -> Path:
        """Writes the table of what is there; the path of its Markdown."""
        name = 'shapes' if self.small and self.data.masks is None else self.data.folder.name
        return report.write_report(
            self.data.folder,
            self.name,
            self.table,
            self.results(),
            without_crf=self.results(crf=False),
            heading=f'{_title(self.name)}: {self.table.title} ({name})',
            notes='\n\n'.join(filter(None, self._notes())),
        )

    def _notes(self) -> Iterator[str]:
        repeats = 'one training each'
        if self.repeats > 1:
            repeats = f'mean ± standard deviation of up to {self.repeats} trainings'
        crf = '' if self.small else ' after the CRF (the CSV has it without, too)'
        honest = _HONEST if any(cell.paper is not None for cell in self.table.cells) else ''
        yield f'mIoU in percent{crf}, {repeats}. {honest}'.strip()
        if self.table.paper_test is not None:
            yield f'On VOC 2012 test the paper reports {self.table.paper_test}.'
            if not self.small:
                yield self._about_the_archive()
        yield describe(result for results in self._found().values() for result in results)
        if self.table.right_weight:
            yield self._write_right_weight()

    def _about_the_archive(self) -> str:
        """Where the file for the test server is, or how to come by it."""
        archive = self._cell(self.table.submission, 0).archive
        if archive.is_file():
            return f'For the test server: `{archive.relative_to(self.data.folder)}`.'
        problem = self.data.without_test()
        reason = 'it is not finished' if problem is None else problem
        return (
            f'There is no archive for the test server yet: {reason}. With the images of VOC 2012 '
            f'test in place `tools/run_table.py {self.name}` makes it.'
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
            'The share of weight that right labels get while the network learns, mean over the '
            f'classes, first repeat:\n\n![Weight of right labels]({path.name})'
        )


def _title(name: str) -> str:
    """``table5`` -> ``Table 5``."""
    return re.sub(r'(\D)(\d)', r'\1 \2', name.capitalize())
