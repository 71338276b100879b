"""Commands that depend on each other, several at a time; what is finished is not run again."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

_SAY_EVERY = 20  # seconds


@dataclass(frozen=True)
class Job:
    """Some commands, run one after the other.

    Attributes:
        name: Short and unique; shown to the user.
        commands: Each a program and its arguments. Interrupted and started again, they have to go
            on where they stopped.
        log: File that their output is appended to.
        done: Tells whether there is nothing to do, without running anything.
        needs: Names of the jobs that have to be done before.
        start: Called before the first command, in this process.
        finish: Called after the last command, in this process; writes what ``done`` looks for,
            where the commands do not.
        progress: Says in a few words how far the job is.
    """

    name: str
    commands: Sequence[Sequence[str]]
    log: Path
    done: Callable[[], bool]
    needs: tuple[str, ...] = ()
    start: Callable[[], None] = lambda: None
    finish: Callable[[], None] = lambda: None
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
        How many jobs were run; the others were done already.

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
                    running.append(_Running(job, free.pop(0)))
            for process in list(running):
                if process.poll():
                    running.remove(process)
                    unfinished.discard(process.job.name)
                    free.append(process.device)
                    done = f'{count - len(unfinished)} of {count}'
                    say(f'{process.job.name} done in {process.minutes:.1f} min ({done})')
            if running and time.monotonic() - said > _SAY_EVERY:
                said = time.monotonic()
                state = '; '.join(f'{p.job.name}: {p.job.progress()}' for p in running)
                more = f'; {len(waiting)} waiting' if waiting else ''
                say(f'[{(said - begin) / 60:4.1f} min] {state}{more}')
            time.sleep(0.1)
    finally:
        for process in running:
            process.stop()
    return count


def hand_out(gpus: int, at_once: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the devices of :func:`run_jobs`, one for each of ``at_once`` jobs.

    Args:
        gpus: How many this process sees.
        at_once: Jobs at a time; more than GPUs share them evenly.
        environment: Its ``CUDA_VISIBLE_DEVICES`` names the GPUs, where it is set.

    Returns:
        Names of GPUs; empty where there is none or one, which every job finds by itself.
    """
    if gpus <= 1:
        return []
    visible = environment.get('CUDA_VISIBLE_DEVICES')
    names = [str(i) for i in range(gpus)]
    if visible is not None:
        names = [name.strip() for name in visible.split(',')][:gpus]
    return [names[i % len(names)] for i in range(at_once)]


def files_made(folder: Path, total: int | None = None, suffix: str = '.png') -> str:
    """Count the files in a folder that a job fills, for its progress."""
    count = sum(path.name[0] != '.' for path in folder.rglob(f'*{suffix}'))
    return f'{count} files' if total is None else f'{count} of {total} files'


class _Running:
    """The current command of a job."""

    def __init__(self, job: Job, device: str | None):
        self.job = job
        self.device = device
        self._left = list(job.commands)
        self._start = time.monotonic()
        job.start()
        self._next()

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._start) / 60

    def _next(self) -> None:
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        # A fork has imported everything already, which takes a new Python ten seconds. A process
        # that has used a GPU must not fork.
        fork = sys.platform == 'linux' and not torch.cuda.is_initialized()
        context = multiprocessing.get_context('fork' if fork else 'spawn')
        command = list(map(str, self._left.pop(0)))
        self._process = context.Process(target=_run, args=(command, self.job.log, self.device))
        self._process.start()

    def poll(self) -> bool:
        """Start the next command where one has ended; True when all have."""
        code = self._process.exitcode
        if code is None:
            return False
        if code:
            tail = ''.join(self.job.log.read_text().splitlines(keepends=True)[-12:])
            raise JobFailed(
                f'{self.job.name} failed (exit status {code}). The end of {self.job.log}:\n\n'
                f'{tail}\nRun the same command again to go on from here.'
            )
        if self._left:
            self._next()
            return False
        self.job.finish()
        return True

    def stop(self) -> None:
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
    program, *arguments = command
    script = program == sys.executable and arguments[0].endswith('.py')
    if 'OMP_NUM_THREADS' not in os.environ:
        # Small networks gain nothing from a second thread, and lose much where cores are shared.
        os.environ['OMP_NUM_THREADS'] = '1'
        torch.set_num_threads(1)
    if not script:
        os.execvp(program, command)
    sys.argv = arguments
    sys.path.insert(0, str(Path(arguments[0]).parent))
    runpy.run_path(arguments[0], run_name='__main__')
