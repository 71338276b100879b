"""One training: its config, its test, and the result of both."""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

import mmws
from mmws.checkpoint import read_checkpoint
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.worker_pool import available_cores
from mmws.run_config import checkpoint_file

from .identity import described, identify
from .jobs import Job


@dataclass(frozen=True)
class TrainingRun:
    """A variation of a config, trained and tested once.

    Attributes:
        name: Unique; shown to the user.
        base: A config file.
        options: What the variation has instead, by dotted names.
        folder: For ``settings.json`` (what the run depends on), ``result.json``, ``predictions``,
            logs, checkpoints. The merged config is written beside it, as ``<folder>.py``.
        needs: Names of the jobs before it.
        test_flags: More flags for ``tools/test.py``, such as ``--tta``.
        gpus: They share the batch of the config.
        launcher: ``'none'``, ``'pytorch'`` (torchrun on this machine) or ``'slurm'``, which takes
            the arguments in the variable ``SRUN_ARGS``, as ``tools/slurm_train.sh`` does.
    """

    name: str
    base: Path
    options: Mapping[str, object]
    folder: Path
    needs: tuple[str, ...] = ()
    test_flags: Sequence[str] = ()
    gpus: int = 1
    launcher: str = 'none'

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
    def predictions(self) -> Path:
        return self.folder / 'predictions'

    @property
    def archive(self) -> Path:
        """For the test server."""
        return self.folder / 'submission' / 'results.tar.gz'

    @property
    def result_path(self) -> Path:
        return self.folder / 'result.json'

    def result(self) -> dict | None:
        """Return what was measured (``mIoU`` in percent, ...) and what it was ``made_with``.

        None while there is no result.
        """
        return json.loads(self.result_path.read_text()) if self.result_path.is_file() else None

    def check(self) -> None:
        """Refuse, by a FileExistsError, a folder with a run of something else, finished or not."""
        self._described().check()

    def _described(self) -> SeedFolder:
        return described(self.folder, identify(self.config, test=list(self.test_flags)))

    def job(self) -> Job:
        """Train and test where there is no result yet."""
        return Job(
            name=self.name,
            steps=self._train_and_test,
            log=self.folder / 'log.txt',
            done=self.result_path.is_file,
            needs=self.needs,
            progress=partial(training_progress, self.folder),
        )

    def _train_and_test(self) -> Iterator[list]:
        self._described().prepare()
        write_atomically(self.config_path, self.config.pretty_text.encode())
        batch = []
        if self.gpus > 1:
            share = self.config.train_dataloader.batch_size // self.gpus
            batch = ['--cfg-options', f'train_dataloader.batch_size={share}']
        yield self._command('train.py', '--resume', '--work-dir', self.folder, *batch)
        segments = self.config.default_scope == 'mmseg'
        yield self._test('test', *(('--out', self.predictions) if segments else ()))
        newest = sorted((self.folder / 'test').glob('*/*.json'))[-1]
        metrics = json.loads(newest.read_text().splitlines()[-1])
        result = {key: value for key, value in metrics.items() if 'time' not in key}
        result['made_with'] = made_with(self.folder)
        write_atomically(self.result_path, json.dumps(result).encode())
        _keep_weights(self.folder)  # from here on the training cannot be resumed

    def submission_job(self) -> Job:
        """Pack the predictions of VOC's test images for the server that has their masks."""
        folder = self.archive.parent
        images = 'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt'

        def steps() -> Iterator[list]:
            # The tool refuses what an interrupted run has left.
            shutil.rmtree(folder, ignore_errors=True)
            options = ('--format-only', '--out', folder, '--cfg-options', images)
            yield self._test('submission_test', *options)

        return Job(
            name=f'{self.name}, archive for the test server',
            steps=steps,
            log=self.folder / 'log.txt',
            done=self.archive.is_file,
            needs=(self.name,),
        )

    def by_hand(self) -> list[str]:
        """Return the commands that train and test the same without a table."""
        options = [f'{key}={_option(key, value)}' for key, value in self.options.items()]
        tail = ['--cfg-options', *options] if options else []
        train = ['tools/train.py', self.base, '--work-dir', self.folder, *tail]
        test = ['tools/test.py', self.base, self.folder, *self.test_flags, *tail]
        return [shlex.join(['python', *map(str, command)]) for command in (train, test)]

    def _test(self, work_dir: str, *arguments) -> list:
        flags = ('--work-dir', self.folder / work_dir, *self.test_flags)
        return self._command('test.py', self.folder, *flags, *arguments)

    def _command(self, tool: str, *arguments) -> list:
        gpus, program = self.gpus, [sys.executable]
        if self.launcher == 'pytorch':
            # Standalone: it finds a free port, so that two runs on a machine do not meet. The
            # processes would look for each other by the machine's name, and wait where nothing
            # resolves it.
            options = ('--standalone', '--local-addr=localhost', '--nproc-per-node', gpus)
            program = [sys.executable, '-m', 'torch.distributed.run', *options]
        elif self.launcher == 'slurm':
            resources = (f'--ntasks={gpus}', f'--ntasks-per-node={gpus}', f'--gres=gpu:{gpus}')
            # The user's come last, and so win.
            more = shlex.split(os.environ.get('SRUN_ARGS', ''))
            fixed = ('--cpus-per-task=5', '--kill-on-bad-exit=1')
            program = ['srun', *resources, *fixed, *more, sys.executable, '-u']
        flags = () if self.launcher == 'none' else ('--launcher', self.launcher)
        path = project_root() / 'tools' / tool
        return [*program, path, self.config_path, *flags, *arguments]


def project_root() -> Path:
    """Return the folder that holds ``configs`` and ``tools``: the checkout, or ``mmws/.mim``."""
    package = Path(mmws.__file__).parent
    beside = (package.parent / 'configs' / 'msws').is_dir()
    return package.parent if beside else package / '.mim'


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


def made_with(folder: Path) -> str:
    """Say which versions, commit and device gave the result in a folder.

    The device is the GPU in the newest log of the training, else this machine's cores.
    """
    logs = sorted(folder.glob('*/*.log'))
    gpu = re.search(r'^ *GPU [\d,]+: (.+)$', logs[-1].read_text(), re.MULTILINE) if logs else None
    device = gpu[1].strip() if gpu else f'{available_cores()} CPU cores'
    revision = commit(project_root())
    version = f'mmws {mmws.__version__}' + (f' ({revision})' if revision else '')
    return f'{version}, torch {torch.__version__}, Python {platform.python_version()}, {device}'


def commit(root: Path) -> str | None:
    """Return the short hash of a checkout, with ``-dirty`` after changes; None elsewhere."""
    if not (root / '.git').exists() or shutil.which('git') is None:
        return None
    command = ('git', '-C', str(root), 'describe', '--always', '--dirty', '--exclude', '*')
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


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
