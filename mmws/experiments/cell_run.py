"""One cell of a table: a training, a test, and the result of both."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from mmengine.config import Config

from mmws.files.atomic_write import write_atomically

from .jobs import Job, files_made
from .machine import made_with
from .paths import project_root

# Steps of tests are epochs, those of losses and of hooks iterations: equal numbers may meet.
_KINDS = ('loss', 'mIoU')


@dataclass(frozen=True)
class CellRun:
    """A config trained once.

    Attributes:
        name: Unique; shown to the user.
        config: The config file.
        folder: Everything about this run goes here: ``settings.json`` (what it depends on),
            ``result.json``, ``predictions``, logs, checkpoints.
        epochs: What the options have instead of the config's own number; None: its own.
        options: ``key=value`` for ``--cfg-options`` of training and test.
        test_flags: More flags for ``tools/test.py``, such as ``--tta``.
        needs: Names of the jobs before it.
        launcher: The program and its arguments in place of ``python``, and ``--launcher`` for the
            tools; see :func:`torchrun` and :func:`srun`.
    """

    name: str
    config: Path
    folder: Path
    epochs: int | None = None
    options: Sequence[str] = ()
    test_flags: Sequence[str] = ()
    needs: tuple[str, ...] = ()
    launcher: tuple[Sequence[str], Sequence[str]] = field(
        default_factory=lambda: ((sys.executable,), ())
    )

    @property
    def result_path(self) -> Path:
        return self.folder / 'result.json'

    @property
    def predictions(self) -> Path:
        return self.folder / 'predictions'

    @property
    def archive(self) -> Path:
        """For the test server."""
        return self.folder / 'submission' / 'results.tar.gz'

    def check(self) -> None:
        """Refuses a folder with a run of other settings, finished or not.

        Raises:
            FileExistsError: It holds one.
        """
        wanted, path = self._settings(), self.folder / 'settings.json'
        if path.is_file():
            found = json.loads(path.read_text())
        elif self.result_path.is_file() or any(self.folder.glob('*.pth')):
            found = dict(epochs=_epochs_of(self.config))  # older runs wrote nothing down
        else:
            return
        if found != wanted:
            raise FileExistsError(
                f'{self.folder} holds a run with {found}; asked for is {wanted}. Choose another '
                '--out, or remove the folder.'
            )

    def job(self) -> Job:
        """Trains and tests where there is no result yet."""
        train = self._command('train.py', self.config, '--resume', '--work-dir', self.folder)
        return Job(
            name=self.name,
            commands=[train, self._test('test', '--out', self.predictions)],
            log=self.folder / 'log.txt',
            done=self.result_path.is_file,
            needs=self.needs,
            start=self._write_settings,
            finish=self._write_result,
            progress=partial(training_progress, self.folder),
        )

    def submission_job(self) -> Job:
        """Packs the predictions of VOC's test images for the server that has their masks."""
        folder = self.archive.parent
        images = 'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt'
        return Job(
            name=f'{self.name}, archive for the test server',
            commands=[
                self._test('submission_test', '--format-only', '--out', folder, options=[images])
            ],
            log=self.folder / 'log.txt',
            done=self.archive.is_file,
            needs=(self.name,),
            # The tool refuses what an interrupted run has left.
            start=partial(shutil.rmtree, folder, ignore_errors=True),
            progress=partial(files_made, folder),
        )

    def _test(self, work_dir: str, *arguments, options: Sequence[str] = ()) -> list:
        return self._command(
            *('test.py', self.config, self.folder, '--work-dir', self.folder / work_dir),
            *(*arguments, *self.test_flags),
            options=options,
        )

    def _command(self, tool: str, *arguments, options: Sequence[str] = ()) -> list:
        program, flags = self.launcher
        options = [*self.options, *options]
        return [
            *(*program, project_root() / 'tools' / tool, *arguments, *flags),
            *(['--cfg-options', *options] if options else []),
        ]

    def _settings(self) -> dict[str, int]:
        own = self.epochs is None
        return dict(epochs=_epochs_of(self.config) if own else self.epochs)

    def _write_settings(self) -> None:
        self.check()
        write_atomically(self.folder / 'settings.json', json.dumps(self._settings()).encode())

    def _write_result(self) -> None:
        records = sorted((self.folder / 'test').glob('*/*.json'))
        metrics = json.loads(records[-1].read_text().splitlines()[-1])
        result = {key: value for key, value in metrics.items() if 'time' not in key}
        result['made_with'] = made_with(self.folder)
        write_atomically(self.result_path, json.dumps(result).encode())

    def result(self) -> dict | None:
        """What the test measured (``mIoU`` in percent, ...) and what it was ``made_with``; None
        while there is no result."""
        if not self.result_path.is_file():
            return None
        return json.loads(self.result_path.read_text())


def torchrun(processes: int) -> tuple[Sequence[str], Sequence[str]]:
    """The launcher of a :class:`CellRun` on several GPUs of this machine."""
    # Standalone: it finds a free port, so that two runs on a machine do not meet.
    options = ('--standalone', '--nproc-per-node', str(processes))
    program = (sys.executable, '-m', 'torch.distributed.run', *options)
    return program, ('--launcher', 'pytorch')


def srun(
    processes: int, environment: Mapping[str, str] = os.environ
) -> tuple[Sequence[str], Sequence[str]]:
    """The launcher of a :class:`CellRun` on GPUs that Slurm gives.

    Args:
        processes: One for each GPU.
        environment: Its ``SRUN_ARGS`` come last, as in ``tools/slurm_train.sh``, and so win:
            ``-p PARTITION``, or ``--gres`` and ``--ntasks-per-node`` of several machines.
    """
    program = (
        *('srun', f'--ntasks={processes}', f'--ntasks-per-node={processes}'),
        *(f'--gres=gpu:{processes}', '--cpus-per-task=5', '--kill-on-bad-exit=1'),
        *shlex.split(environment.get('SRUN_ARGS', '')),
        *(sys.executable, '-u'),
    )
    return program, ('--launcher', 'slurm')


@cache
def _epochs_of(config: Path) -> int:
    return Config.fromfile(config).train_cfg.max_epochs


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
