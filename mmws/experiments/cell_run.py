"""One cell of a table: a training, a test, and the result of both."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmws.seeds.bank import write_atomically

from .jobs import Job
from .paths import project_root

# Steps of tests are epochs, those of losses and of hooks iterations: equal numbers may meet.
_KINDS = ('loss', 'mIoU')


@dataclass(frozen=True)
class CellRun:
    """A config trained once.

    Attributes:
        name: Unique; shown to the user.
        config: The config file.
        folder: Everything about this run goes here: ``result.json``, ``predictions``, logs,
            checkpoints.
        options: ``key=value`` for ``--cfg-options`` of training and test.
        test_flags: More flags for ``tools/test.py``, such as ``--tta``.
        needs: Names of the jobs before it.
        launcher: The program and its arguments in place of ``python``, and ``--launcher`` for the
            tools; see :func:`torchrun`.
    """

    name: str
    config: Path
    folder: Path
    options: Sequence[str] = ()
    test_flags: Sequence[str] = ()
    needs: tuple[str, ...] = ()
    launcher: tuple[Sequence[str], Sequence[str]] = ((sys.executable,), ())

    @property
    def result_path(self) -> Path:
        return self.folder / 'result.json'

    @property
    def predictions(self) -> Path:
        return self.folder / 'predictions'

    def job(self) -> Job:
        """Trains and tests where there is no result yet."""
        tools = project_root() / 'tools'
        program, flags = self.launcher
        options = ['--cfg-options', *self.options] if self.options else []
        train = [*program, tools / 'train.py', self.config, '--resume', *flags]
        test = [*program, tools / 'test.py', self.config, self.folder, *flags]
        return Job(
            name=self.name,
            commands=[
                [*train, '--work-dir', self.folder, *options],
                [
                    *test,
                    *('--work-dir', self.folder / 'test', '--out', self.predictions),
                    *(*self.test_flags, *options),
                ],
            ],
            log=self.folder / 'log.txt',
            done=self.result_path.is_file,
            needs=self.needs,
            finish=self._write_result,
            progress=partial(training_progress, self.folder),
        )

    def _write_result(self) -> None:
        records = sorted((self.folder / 'test').glob('*/*.json'))
        metrics = json.loads(records[-1].read_text().splitlines()[-1])
        metrics = {key: value for key, value in metrics.items() if 'time' not in key}
        write_atomically(self.result_path, json.dumps(metrics).encode())

    def result(self) -> dict[str, float] | None:
        """What the test measured (``mIoU`` in percent, ...), None while there is no result."""
        if not self.result_path.is_file():
            return None
        return json.loads(self.result_path.read_text())


def torchrun(processes: int) -> tuple[Sequence[str], Sequence[str]]:
    """The launcher of a :class:`CellRun` on several GPUs of this machine."""
    program = (sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', str(processes))
    return program, ('--launcher', 'pytorch')


def training_log(folder: Path) -> list[dict]:
    """What the training in a folder logged, in order: losses with ``loss``, tests with ``mIoU``,
    and what hooks add.

    A training that was interrupted has several logs; steps that were run twice appear once.
    """
    steps: dict[tuple[tuple[bool, ...], int], dict] = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                continue
            steps[tuple(key in record for key in _KINDS), record.get('step', 0)] = record
    return sorted(steps.values(), key=lambda record: record.get('step', 0))


def training_progress(folder: Path) -> str:
    """How far the training in a folder is, in a few words."""
    losses = [record for record in training_log(folder) if 'loss' in record]
    if not losses:
        return 'starting'
    if (folder / 'test').is_dir():
        return 'testing'
    last = losses[-1]
    at = f'epoch {last["epoch"]}' if 'epoch' in last else f'iteration {last.get("iter")}'
    return f'{at}, loss {last["loss"]:.2f}'
