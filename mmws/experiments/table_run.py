"""A table of the paper as jobs, and the report of their results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.visualization.plots import right_weight_curves

from . import report
from .cells import TABLES, Training
from .data import Data, schedule
from .jobs import Job
from .training_run import TrainingRun, training_log


@dataclass
class TableRun:
    """Runs the cells of a table.

    Attributes:
        name: Of :data:`mmws.experiments.cells.TABLES`.
        data: Where the images and seeds are, or how they are made.
        repeats: Trainings of each cell, with the seeds 0, 1, 2, ...
        cells: Only the trainings of these names.
        epochs: Instead of the configs' own, for a trial.
        gpus: GPUs of one training; they share the config's batch.
        launcher: As that of :class:`TrainingRun`.

    Raises:
        ValueError: A cell that the table does not have, a table that needs other data, or GPUs
            that cannot share a batch.
    """

    name: str
    data: Data
    _: KW_ONLY
    repeats: int = 1
    cells: Sequence[str] | None = None
    epochs: int | None = None
    gpus: int = 1
    launcher: str = 'none'

    def __post_init__(self) -> None:
        name, kind = self.name, self.data.kind
        self.table = self.data.table(TABLES[name])
        if self.table.data not in (None, kind):
            raise ValueError(f'{name} is for {self.table.data} data only, not for {kind}.')
        every = self.table.trainings
        if unknown := sorted(set(self.cells or ()) - set(every)):
            raise ValueError(f'{name} has no cell {", ".join(unknown)}; it has {", ".join(every)}.')
        self.trainings = [every[key] for key in every if not self.cells or key in self.cells]
        if self.launcher != 'none' and kind == 'shapes':
            raise ValueError(
                'the small networks train on one GPU of this machine: their batch normalisation '
                'would see other batches on several. --gpus and --launcher are for VOC.'
            )
        for training in self.trainings:
            batch = self.run(training).config.train_dataloader.batch_size
            if batch % self.gpus:
                raise ValueError(
                    f'{training.name} trains on batches of {batch} images, which {self.gpus} GPUs '
                    'cannot share evenly.'
                )

    def run(self, training: Training, repeat: int = 0) -> TrainingRun:
        """One repeat of a training."""
        base = self.data.base(training)
        options = {
            **training.options,
            **self.data.options(training),
            **schedule(base, self.epochs),
            'randomness.seed': repeat,
        }
        return TrainingRun(
            name=training.name if self.repeats == 1 else f'{training.name} #{repeat}',
            base=base,
            options=options,
            folder=self.data.folder / 'cells' / training.name / f'seed{repeat}',
            needs=self.data.needs(training),
            test_flags=self.data.test_flags,
            gpus=self.gpus,
            launcher=self.launcher,
        )

    def runs(self) -> list[TrainingRun]:
        """The trainings asked for, those of the first repeat first."""
        return [self.run(t, repeat) for repeat in range(self.repeats) for t in self.trainings]

    def check_results(self) -> None:
        """Refuse, by a FileExistsError, results of other settings in any cell of the report."""
        for training in self.table.trainings.values():
            for repeat in range(self.repeats):
                self.run(training, repeat).check()

    def jobs(self) -> list[Job]:
        """Everything that has to run."""
        jobs = [*self.data.jobs(self.trainings), *(run.job() for run in self.runs())]
        first = self._submitted()
        if first in self.trainings and self.data.without_test() is None:
            jobs.append(self.run(first).submission_job())
        return jobs

    def _submitted(self) -> Training | None:
        """The training whose predictions go to VOC's test server."""
        voc = self.data.kind == 'voc12' and self.table.paper_test is not None
        return self.table.cells[0].training if voc else None

    def results(self) -> report.Results:
        """Return what each training's repeats gave, where there is a result."""
        return {
            name: [r for i in range(self.repeats) if (r := self.run(training, i).result())]
            for name, training in self.table.trainings.items()
        }

    def write_report(self) -> Path:
        """Write Markdown, CSV and plot of what is there; the path of the Markdown."""
        results = self.results()
        title = re.sub(r'(\D)(\d)', r'\1 \2', self.name.capitalize())
        heading = f'{title}: {self.table.title} ({self.data.name})'
        page, text, picture = (
            self.data.folder / f'{self.name}{s}' for s in ('.md', '.csv', '.png')
        )
        write_atomically(text, report.csv_text(self.table, results).encode())
        write_atomically(picture, report.plot(self.table, results, heading))
        parts = [f'# {heading}', report.markdown(self.table, results), *self._notes(results)]
        parts.append(f'![{heading}]({picture.name})\n')
        write_atomically(page, '\n\n'.join(parts).encode())
        return page

    def _notes(self, results: report.Results) -> Iterator[str]:
        """What a reader has to know of the figures."""
        repeats = 'one training each'
        if self.repeats > 1:
            repeats = f'mean ± standard deviation of up to {self.repeats} trainings'
        crf = ' after the CRF (the CSV has it without, too)' if self.data.test_flags else ''
        yield f'mIoU in percent{crf}, {repeats}.'
        if any(cell.paper is not None for cell in self.table.cells):
            yield (
                'In brackets: what the paper reports for VOC 2012 val. Figures measured on other '
                'data cannot be compared with them, only which of two cells is higher.'
            )
        if self.data.networks:
            names = (f'{ours} for {paper}' for paper, ours in self.data.networks.items())
            yield f'In place of the networks of the paper: {", ".join(names)}.'
        if self.table.paper_test is not None:
            yield f'On VOC 2012 test the paper reports {self.table.paper_test}.'
        if (submitted := self._submitted()) is not None:
            archive = self.run(submitted).archive
            if archive.is_file():
                yield f'For the test server: `{archive.relative_to(self.data.folder)}`.'
            else:
                reason = self.data.without_test() or 'it is not finished'
                yield (
                    f'There is no archive for the test server yet: {reason}. With the images of '
                    f'VOC 2012 test in place `tools/run_table.py {self.name}` makes it.'
                )
        if made := dict.fromkeys(r['made_with'] for found in results.values() for r in found):
            yield f'Made with {"; ".join(made)}.'
        panels: dict[str, dict[str, list[dict]]] = {}
        for cell in self.table.cells if self.table.right_weight else ():
            log = training_log(self.run(cell.training).folder)
            if cell.column != 'plain average' and log:
                panels.setdefault(cell.row, {})[cell.column] = log
        if panels:
            path = self.data.folder / f'{self.name}_right_weight.png'
            Image.fromarray(right_weight_curves(panels)).save(path)
            yield (
                'The share of weight that right labels get while the network learns, mean over '
                f'the classes, first repeat:\n\n![Weight of right labels]({path.name})'
            )
