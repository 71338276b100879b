"""Commands that depend on each other, several at a time; what is finished is not run again."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

_SAY_EVERY = 20  # seconds


@dataclass(frozen=True)
class Job:
    """Commands that run one after the other.

    Attributes:
        name: Short and unique; shown to the user.
        steps: Yields each command as a program and its arguments; what it does before, between and
            after them runs in this process. Interrupted and started again, all have to go on where
            they stopped.
        log: File that the output is appended to.
        done: Tells whether there is nothing to do, without running anything.
        needs: Names of the jobs that have to be done before.
        progress: Says in a few words how far the job is.
    """

    name: str
    steps: Callable[[], Iterable[Sequence]]
    log: Path
    done: Callable[[], bool]
    needs: tuple[str, ...] = ()
    progress: Callable[[], str] = lambda: 'running'


class JobFailed(RuntimeError):
    """A command of a job ended with an error."""


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    *,
    devices: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> int:
    """Run jobs in the order given, as soon as what they need is done.

    Args:
        jobs: In order of preference; a job's needs come before it.
        at_once: How many run at a time.
        devices: One GPU for each job at a time, as ``CUDA_VISIBLE_DEVICES`` names it; empty: GPUs
            are left to the jobs.
        say: Prints a line.

    Returns:
        How many jobs there were to do at the start; the others were done already.

    Raises:
        JobFailed: A command failed; the other jobs are stopped. What is finished stays.
    """
    waiting = [job for job in jobs if not job.done()]
    count = len(waiting)
    unfinished = {job.name for job in waiting}
    free = list(devices) or [None] * at_once
    running: list[_Running] = []
    begin = said = time.monotonic()
    try:
        while waiting or running:
            for job in list(waiting):
                if free and not unfinished & set(job.needs):
                    waiting.remove(job)
                    if job.done():  # meanwhile, by another process
                        unfinished.discard(job.name)
                    else:
                        running.append(_Running(job, free.pop(0)))
            for one in list(running):
                if one.is_finished():
                    running.remove(one)
                    unfinished.discard(one.job.name)
                    free.append(one.device)
                    minutes = (time.monotonic() - one.begin) / 60
                    done = f'{count - len(unfinished)} of {count}'
                    say(f'{one.job.name} done in {minutes:.1f} min ({done})')
            if running and time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                state = '; '.join(f'{one.job.name}: {one.job.progress()}' for one in running)
                more = f'; {len(waiting)} waiting' if waiting else ''
                say(f'[{(said - begin) / 60:4.1f} min] {state}{more}')
            time.sleep(0.1)
    finally:
        for one in running:
            one.stop()
    return count


def hand_out(gpus: int, at_once: int) -> list[str]:
    """Return the devices of :func:`run_jobs`, one for each of ``at_once`` jobs.

    Args:
        gpus: How many this process sees.
        at_once: Jobs at a time; more than GPUs share them evenly.

    Returns:
        Names of GPUs; empty where there is none or one, which every job finds by itself.
    """
    if gpus <= 1:
        return []
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', ','.join(map(str, range(gpus))))
    names = [name.strip() for name in visible.split(',')][:gpus]
    return [names[i % len(names)] for i in range(at_once)]


class _Running:
    """A job and its current command."""

    def __init__(self, job: Job, device: str | None):
        self.job = job
        self.device = device
        self.begin = time.monotonic()
        self._steps = iter(job.steps())
        self._process = None

    def is_finished(self) -> bool:
        """Start the next command where none runs; True after the last one."""
        code = 0 if self._process is None else self._process.exitcode
        if code is None:
            return False
        log = self.job.log
        if code:
            tail = ''.join(log.read_text().splitlines(keepends=True)[-12:])
            raise JobFailed(
                f'{self.job.name} failed (exit status {code}). The end of {log}:\n\n{tail}\nRun '
                'the same command again to go on from here.'
            )
        command = next(self._steps, None)
        if command is None:
            return True
        log.parent.mkdir(parents=True, exist_ok=True)
        # A fork has imported everything already, which takes a new Python ten seconds. A process
        # that has used a GPU must not fork.
        fork = sys.platform == 'linux' and not torch.cuda.is_initialized()
        context = multiprocessing.get_context('fork' if fork else 'spawn')
        arguments = (list(map(str, command)), log, self.device)
        self._process = context.Process(target=_run, args=arguments)
        self._process.start()
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.join()


def _run(command: list[str], log: Path, device: str | None) -> None:
    """Become a command: a script of this Python in this process, else another program."""
    if sys.platform == 'linux':  # ends with its parent: two trainings in one folder would mix
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = (os.fdopen(fd, 'w', buffering=1, closefd=False) for fd in (1, 2))
    if device is not None:
        os.environ['CUDA_VISIBLE_DEVICES'] = device
    if 'OMP_NUM_THREADS' not in os.environ:
        # Small networks gain nothing from a second thread, and lose much where cores are shared.
        os.environ['OMP_NUM_THREADS'] = '1'
        torch.set_num_threads(1)
    program, *sys.argv = command
    if program != sys.executable or not sys.argv[0].endswith('.py'):
        os.execvp(program, command)
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name='__main__')
