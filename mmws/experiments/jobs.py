"""Commands that depend on each other, several at a time; what is finished is not run again."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAY_EVERY = 20  # seconds, where the output is no terminal


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
        device: Whether the commands use a GPU where there is one.
    """

    name: str
    commands: Sequence[Sequence[str]]
    log: Path
    done: Callable[[], bool]
    needs: tuple[str, ...] = ()
    start: Callable[[], None] = lambda: None
    finish: Callable[[], None] = lambda: None
    progress: Callable[[], str] = lambda: 'running'
    device: bool = True


class JobFailed(RuntimeError):
    """A command of a job ended with an error."""


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    *,
    devices: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> int:
    """Runs jobs in the order given, as soon as what they need is done.

    Args:
        jobs: In order of preference; a job's needs come before it.
        at_once: How many run at a time.
        devices: Names of the GPUs, handed out in turn as ``CUDA_VISIBLE_DEVICES`` to the jobs that
            use one; such a job waits until one is free. A name given twice serves two jobs at a
            time. Empty: GPUs are left to the jobs.
        say: Prints a line.

    Returns:
        How many jobs were run; the others were done already.

    Raises:
        JobFailed: A command failed; the other jobs are stopped. What is finished stays.
    """
    waiting = [job for job in jobs if not job.done()]
    count = len(waiting)
    unfinished = {job.name for job in waiting}
    free = list(devices)
    running: dict[str, _Running] = {}
    status = _Status(count, say)
    try:
        while waiting or running:
            for job in list(waiting):
                wants_device = bool(devices) and job.device
                if len(running) >= at_once or unfinished & set(job.needs):
                    continue
                if wants_device and not free:
                    continue
                waiting.remove(job)
                running[job.name] = _Running(job, free.pop(0) if wants_device else None)
            for process in list(running.values()):
                if process.poll():
                    del running[process.job.name]
                    unfinished.discard(process.job.name)
                    if process.device is not None:
                        free.append(process.device)
                    status.finished(process.job.name, process.minutes)
            status.show([process.job for process in running.values()], len(waiting))
            time.sleep(0.2)
    finally:
        for process in running.values():
            process.stop()
        status.close()
    return count


def hand_out(gpus: int, at_once: int, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The devices of :func:`run_jobs`, one for each of ``at_once`` jobs.

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
    """The progress of a job that fills a folder: how many of how many files are there."""
    count = sum(path.name[0] != '.' for path in folder.rglob(f'*{suffix}'))
    return f'{count} files' if total is None else f'{count} of {total} files'


class _Running:
    """The current command of a job."""

    def __init__(self, job: Job, device: str | None):
        self.job = job
        self.device = device
        self._left = [list(map(str, command)) for command in job.commands]
        self._start = time.monotonic()
        self._environment = dict(os.environ)
        # Small networks gain nothing from a second thread, and lose much where cores are shared.
        self._environment.setdefault('OMP_NUM_THREADS', '1')
        if device is not None:
            self._environment['CUDA_VISIBLE_DEVICES'] = device
        job.start()
        self._next()

    @property
    def minutes(self) -> float:
        return (time.monotonic() - self._start) / 60

    def _next(self) -> None:
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.job.log, 'a') as log:
            self._process = subprocess.Popen(
                self._left.pop(0),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                preexec_fn=_end_with_parent if sys.platform == 'linux' else None,
            )

    def poll(self) -> bool:
        """Starts the next command where one has ended; True when all have."""
        code = self._process.poll()
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
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()


def _end_with_parent() -> None:
    """Ends this process when its parent is gone: two trainings in one folder would mix."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class _Status:
    """One line that is rewritten on a terminal; elsewhere a line now and then."""

    def __init__(self, count: int, say: Callable[[str], None]):
        self._count = count
        self._finished = 0
        self._say = say
        self._start = time.monotonic()
        self._said = -_SAY_EVERY
        self._live = sys.stdout.isatty()

    def finished(self, name: str, minutes: float) -> None:
        self._finished += 1
        self._clear()
        self._say(f'{name} done in {minutes:.1f} min ({self._finished} of {self._count})')

    def show(self, running: list[Job], waiting: int) -> None:
        now = time.monotonic() - self._start
        if now - self._said < (1 if self._live else _SAY_EVERY) or not running:
            return
        self._said = now
        parts = '; '.join(f'{job.name}: {job.progress()}' for job in running)
        line = f'[{now / 60:4.1f} min] {parts}' + (f'; {waiting} waiting' if waiting else '')
        if self._live:
            self._clear()
            width = os.get_terminal_size().columns - 1
            print(line[:width], end='', flush=True)
        else:
            self._say(line)

    def _clear(self) -> None:
        if self._live:
            print('\r\x1b[K', end='')

    def close(self) -> None:
        self._clear()
