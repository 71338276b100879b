"""One training: its config, its test, and the result of both."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from mmws.checkpoint import read_checkpoint
from mmws.files.atomic_write import write_atomically
from mmws.run_config import checkpoint_file

from .identity import check_identity, identify, write_identity
from .jobs import Job, files_made
from .machine import made_with, project_root

Launcher = tuple[Sequence[str], Sequence[str]]


@dataclass(frozen=True)
class TrainingRun:
    """A variation of a config, trained once.

    Attributes:
        name: Unique; shown to the user.
        base: A config file.
        options: What the variation has instead, by dotted names.
        folder: For ``settings.json`` (what the run depends on), ``result.json``, ``predictions``,
            logs, checkpoints. The merged config is written beside it, as ``<folder>.py``.
        needs: Names of the jobs before it.
        tested: Whether ``tools/test.py`` measures the result; otherwise the last validation does.
        test_flags: More flags for it, such as ``--tta``.
        batch_size: Images a process, where several share the config's batch.
        launcher: The program and its arguments in place of ``python``, and flags for the tools;
            see :func:`torchrun` and :func:`srun`.
    """

    name: str
    base: Path
    options: Mapping[str, object]
    folder: Path
    needs: tuple[str, ...] = ()
    tested: bool = True
    test_flags: Sequence[str] = ()
    batch_size: int | None = None
    launcher: Launcher = field(default_factory=lambda: ((sys.executable,), ()))

    @cached_property
    def config(self) -> Config:
        """The merged config."""
        config = deepcopy(read_config(self.base))
        config.merge_from_dict(deepcopy(dict(self.options)))
        return config

    @property
    def config_path(self) -> Path:
        return self.folder.with_name(f'{self.folder.name}.py')

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
        """Refuse a folder with a run of something else, finished or not.

        Raises:
            FileExistsError: The difference.
        """
        check_identity(self.folder, self._identity())

    def _identity(self) -> dict:
        return identify(self.config, test=list(self.test_flags))

    def job(self) -> Job:
        """Train and test where there is no result yet."""
        commands = [self._command('train.py', '--resume', '--work-dir', self.folder)]
        if self.batch_size is not None:
            commands[0] += ['--cfg-options', f'train_dataloader.batch_size={self.batch_size}']
        if self.tested:
            commands.append(self._test('test', '--out', self.predictions))
        return Job(
            name=self.name,
            commands=commands,
            log=self.folder / 'log.txt',
            done=self.result_path.is_file,
            needs=self.needs,
            start=self._start,
            finish=self._finish,
            progress=partial(training_progress, self.folder),
        )

    def submission_job(self) -> Job:
        """Pack the predictions of VOC's test images for the server that has their masks."""
        folder = self.archive.parent
        images = 'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt'
        return Job(
            name=f'{self.name}, archive for the test server',
            commands=[
                self._test(
                    *('submission_test', '--format-only', '--out', folder, '--cfg-options', images)
                )
            ],
            log=self.folder / 'log.txt',
            done=self.archive.is_file,
            needs=(self.name,),
            # The tool refuses what an interrupted run has left.
            start=partial(shutil.rmtree, folder, ignore_errors=True),
            progress=partial(files_made, folder),
        )

    def by_hand(self) -> list[str]:
        """Return the commands that train and test the same without a table."""
        options = [f'{key}={_option(key, value)}' for key, value in self.options.items()]
        tail = ['--cfg-options', *options] if options else []
        train = ['tools/train.py', self.base, '--work-dir', self.folder, *tail]
        test = ['tools/test.py', self.base, self.folder, *self.test_flags, *tail]
        commands = [train, test] if self.tested else [train]
        return [shlex.join(['python', *map(str, command)]) for command in commands]

    def _test(self, work_dir: str, *arguments) -> list:
        work_dir = self.folder / work_dir
        return self._command(
            'test.py', self.folder, '--work-dir', work_dir, *self.test_flags, *arguments
        )

    def _command(self, tool: str, *arguments) -> list:
        program, flags = self.launcher
        return [*program, project_root() / 'tools' / tool, self.config_path, *flags, *arguments]

    def _start(self) -> None:
        write_identity(self.folder, self._identity())
        write_atomically(self.config_path, self.config.pretty_text.encode())

    def _finish(self) -> None:
        if self.tested:
            newest = sorted((self.folder / 'test').glob('*/*.json'))[-1]
            metrics = json.loads(newest.read_text().splitlines()[-1])
        else:
            metrics = [log for log in training_log(self.folder) if 'loss' not in log][-1]
        result = {key: value for key, value in metrics.items() if 'time' not in key}
        result['made_with'] = made_with(self.folder)
        _keep_weights(self.folder)
        write_atomically(self.result_path, json.dumps(result).encode())

    def result(self) -> dict | None:
        """Return what was measured (``mIoU`` in percent, ...) and what it was ``made_with``.

        None while there is no result.
        """
        if not self.result_path.is_file():
            return None
        return json.loads(self.result_path.read_text())


@cache
def read_config(path: Path) -> Config:
    """Read a config file once; it must not be changed."""
    return Config.fromfile(path)


def _option(key: str, value: object) -> str:
    """Write a value as ``--cfg-options`` reads it."""
    if isinstance(value, (list, tuple)):
        text = f'[{",".join(_option(key, item) for item in value)}]'
    else:
        text = str(value)
    if DictAction._parse_iterable(text) != (list(value) if isinstance(value, tuple) else value):
        raise ValueError(
            f'{key}={value!r} cannot be written on the command line, which takes no spaces, commas '
            'and quotes in names: use paths without them.'
        )
    return text


def _keep_weights(folder: Path) -> None:
    """Keep the weights of the last checkpoint, without the optimizer, which doubles its size."""
    newest = Path(checkpoint_file(folder))
    checkpoint = read_checkpoint(newest)
    temporary = newest.with_suffix('.part')
    torch.save({key: checkpoint[key] for key in ('meta', 'state_dict')}, temporary)
    os.replace(temporary, newest)
    for path in folder.glob('*.pth'):
        if path != newest:
            path.unlink()


def torchrun(processes: int) -> Launcher:
    """The launcher of a :class:`TrainingRun` on several GPUs of this machine."""
    # Standalone: it finds a free port, so that two runs on a machine do not meet.
    options = ('--standalone', '--nproc-per-node', str(processes))
    return (sys.executable, '-m', 'torch.distributed.run', *options), ('--launcher', 'pytorch')


def srun(processes: int, environment: Mapping[str, str] = os.environ) -> Launcher:
    """The launcher of a :class:`TrainingRun` on GPUs that Slurm gives.

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


def training_log(folder: Path) -> list[dict]:
    """Return what the training in a folder logged, in order.

    Losses have ``loss``, tests ``mIoU``; hooks add theirs. A training that was interrupted has
    several logs; steps that were run twice appear once.
    """
    steps: dict[tuple, dict] = {}
    for log in sorted(folder.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:  # the last line of a run that was killed
                continue
            # Steps of tests are epochs, those of losses and of hooks iterations.
            steps['loss' in record, 'mIoU' in record, record.get('step', 0)] = record
    return sorted(steps.values(), key=lambda record: record.get('step', 0))


def training_progress(folder: Path) -> str:
    """Say how far the training in a folder is."""
    losses = [record for record in training_log(folder) if 'loss' in record]
    if not losses:
        return 'starting'
    if (folder / 'test').is_dir():
        return 'testing'
    last = losses[-1]
    at = f'epoch {last["epoch"]}' if 'epoch' in last else f'iteration {last.get("iter")}'
    return f'{at}, loss {last["loss"]:.2f}'
