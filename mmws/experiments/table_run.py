"""A table of the paper as jobs, and the report of their results."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.visualization.training_curves import right_weight_curves

from . import report
from .cells import TABLES, Training
from .jobs import Job
from .machine import describe, project_root
from .small_data import SmallData
from .training_run import TrainingRun, read_config, srun, torchrun, training_log
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
        cells: Only the trainings of these names.
        epochs: Instead of the configs' own, for a trial.
        gpus: GPUs of one training; they share the config's batch.
        launcher: ``'none'``, ``'pytorch'`` (torchrun on this machine) or ``'slurm'``; None: none
            for one GPU, else pytorch.

    Raises:
        ValueError: A cell that the table does not have, a table that needs other data, or GPUs
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
        self.table = TABLES[name]
        self.data = data
        if self.table.data not in (None, data.kind):
            raise ValueError(f'{name} is for {self.table.data} data only, not for {data.kind}.')
        every = self.table.trainings
        if unknown := sorted(set(cells or ()) - set(every)):
            raise ValueError(f'{name} has no cell {", ".join(unknown)}; it has {", ".join(every)}.')
        self.trainings = [every[key] for key in every if not cells or key in cells]
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
        if self.data.kind == 'shapes':
            raise ValueError(
                'the small networks train on one GPU of this machine: their batch normalisation '
                'would see other batches on several. --gpus and --launcher are for VOC.'
            )
        for training in self.trainings:
            batch = self._batch_size(training)
            if batch % self.gpus:
                raise ValueError(
                    f'{training.name} trains on batches of {batch} images, which {self.gpus} GPUs '
                    'cannot share evenly.'
                )

    def _base(self, training: Training) -> Path:
        return project_root() / 'configs' / self.data.configs / training.base

    def _batch_size(self, training: Training) -> int:
        return read_config(self._base(training)).train_dataloader.batch_size

    def run(self, training: Training, repeat: int = 0) -> TrainingRun:
        """One repeat of a training."""
        options = {**training.options, **self.data.options(training, self.epochs)}
        more = {}
        if self.launcher != 'none':
            more['launcher'] = dict(pytorch=torchrun, slurm=srun)[self.launcher](self.gpus)
        if self.gpus > 1:
            more['batch_size'] = self._batch_size(training) // self.gpus
        return TrainingRun(
            name=training.name if self.repeats == 1 else f'{training.name} #{repeat}',
            base=self._base(training),
            options={**options, 'randomness.seed': repeat},
            folder=self.data.folder / 'cells' / training.name / f'seed{repeat}',
            test_flags=self.data.test_flags,
            needs=self.data.needs(training),
            **more,
        )

    def runs(self) -> list[TrainingRun]:
        """The trainings asked for, those of the first repeat first."""
        return [self.run(t, repeat) for repeat in range(self.repeats) for t in self.trainings]

    def check_claims(self) -> None:
        """Refuse results of other data or settings, in any cell that the report shows.

        Raises:
            FileExistsError: The work dir holds some.
        """
        self.data.check_claim()
        for training in self.table.trainings.values():
            for repeat in range(self.repeats):
                self.run(training, repeat).check()

    def check(self) -> None:
        """Look for what the trainings read before the first one starts.

        Raises:
            FileExistsError: As :meth:`check_claims`.
            FileNotFoundError: Seeds, images or masks are missing.
        """
        self.check_claims()
        self.data.check(self.runs())

    def jobs(self) -> list[Job]:
        """Everything that has to run."""
        jobs = [*self.data.jobs(self.trainings), *(run.job() for run in self.runs())]
        wanted = self._submission()
        if wanted in self.trainings and self.data.without_test() is None:
            jobs.append(self.run(wanted).submission_job())
        return jobs

    def _submission(self) -> Training | None:
        """The training for the test server, on VOC."""
        if self.data.kind == 'shapes' or self.table.submission is None:
            return None
        return self.table.trainings[self.table.submission]

    def results(self, *, crf: bool = True) -> report.Results:
        """mIoU in percent of each training's repeats; with the CRF where there is one."""
        return {
            name: [r.get('mIoU_crf', r['mIoU']) if crf else r['mIoU'] for r in found]
            for name, found in self._found().items()
        }

    def _found(self) -> dict[str, list[dict]]:
        found = {}
        for name, training in self.table.trainings.items():
            results = [self.run(training, repeat).result() for repeat in range(self.repeats)]
            if any(results):
                found[name] = [result for result in results if result]
        return found

    def write_report(self) -> Path:
        """Write the table of what is there; the path of its Markdown."""
        title = re.sub(r'(\D)(\d)', r'\1 \2', self.name.capitalize())
        return report.write_report(
            self.data.folder / self.name,
            self.table,
            self.results(),
            without_crf=self.results(crf=False),
            heading=f'{title}: {self.table.title} ({self.data.name})',
            notes='\n\n'.join(filter(None, self._notes())),
        )

    def _notes(self) -> Iterator[str]:
        repeats = 'one training each'
        if self.repeats > 1:
            repeats = f'mean ± standard deviation of up to {self.repeats} trainings'
        crf = ' after the CRF (the CSV has it without, too)' if self.data.test_flags else ''
        honest = _HONEST if any(cell.paper is not None for cell in self.table.cells) else ''
        yield f'mIoU in percent{crf}, {repeats}. {honest}'.strip()
        if self.table.paper_test is not None:
            yield f'On VOC 2012 test the paper reports {self.table.paper_test}.'
        if (wanted := self._submission()) is not None:
            yield self._about_the_archive(self.run(wanted).archive)
        yield describe(result for results in self._found().values() for result in results)
        if self.table.right_weight:
            yield self._write_right_weight()

    def _about_the_archive(self, archive: Path) -> str:
        """Where the file for the test server is, or how to come by it."""
        if archive.is_file():
            return f'For the test server: `{archive.relative_to(self.data.folder)}`.'
        reason = self.data.without_test() or 'it is not finished'
        return (
            f'There is no archive for the test server yet: {reason}. With the images of VOC 2012 '
            f'test in place `tools/run_table.py {self.name}` makes it.'
        )

    def _write_right_weight(self) -> str:
        """Draw the weight of right labels in the first repeats; the Markdown that shows it."""
        panels: dict[str, dict[str, list[dict]]] = {}
        for cell in self.table.cells:
            log = training_log(self.run(cell.training).folder)
            if cell.column != 'plain average' and log:
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
