"""Worker processes that a producer can neither overrun nor leave behind."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

# Jobs under way or waiting, for each worker: enough that none waits for the producer, and few
# enough that what they hold does not fill the memory.
_JOBS_PER_WORKER = 4


class WorkerPool:
    """Processes that apply functions, or this one if there are to be none.

    The workers are forked from a clean server process and not from this one, whose threads and CUDA
    context would not survive that; they end when this process ends, even if it is killed.

    Args:
        workers: Number of processes; 0 runs everything here.
        preload: Module that the server process imports once for all workers.
    """

    def __init__(self, workers: int, *, preload: str | None = None):
        self.workers = workers
        self._pool = None
        if workers:
            methods = multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context(
                'forkserver' if 'forkserver' in methods else 'spawn'
            )
            if preload and context.get_start_method() == 'forkserver':
                context.set_forkserver_preload([preload])
            self._pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)

    def submit(self, function: Callable, *arguments) -> Future:
        """Apply a function, which must be importable, to arguments, which must be picklable."""
        if self._pool is not None:
            return self._pool.submit(function, *arguments)
        future = Future()
        future.set_result(function(*arguments))
        return future

    def result(self, future: Future):
        """Wait for what a function returns; a worker that died is a RuntimeError."""
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise RuntimeError(
                f'A worker process died (of {self.workers}): killed from outside, most often '
                'because memory ran out, or crashed. What is finished is kept; run the same '
                'command again, with fewer workers if memory was short.'
            ) from error

    def close(self) -> None:
        """End the workers; what has not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def map_unordered(
    function: Callable, jobs: Iterable, *, workers: int, preload: str | None = None
) -> Iterator:
    """Apply a function to jobs in worker processes and yield results as they are ready.

    Jobs are taken from the iterable only as fast as workers finish them, so it may compute them on
    the way (a GPU that feeds the workers). What the function, which must be importable, raises
    arrives here; a worker that died is a RuntimeError.
    """
    pending = set()
    at_once = max(1, workers * _JOBS_PER_WORKER)
    with contextlib.closing(WorkerPool(workers, preload=preload)) as pool:
        for job in jobs:
            pending.add(pool.submit(function, job))
            while len(pending) >= at_once:
                done, pending = concurrent.futures.wait(pending, return_when=FIRST_COMPLETED)
                yield from map(pool.result, done)
        yield from map(pool.result, concurrent.futures.as_completed(pending))


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_cores(environment: Mapping[str, str] = os.environ) -> int:
    """Count the cores for this process's workers: its share, where several run on the machine.

    The variables of torchrun, of srun and of Open MPI tell of the others.
    """
    cores = available_cores()
    for name in ('LOCAL_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE'):
        if name in environment:
            return max(1, cores // int(environment[name]))
    if 'SLURM_STEP_TASKS_PER_NODE' in environment:
        if 'SLURM_CPUS_PER_TASK' in environment:
            return max(1, min(cores, int(environment['SLURM_CPUS_PER_TASK'])))
        # Of each node, in Slurm's short form such as 4(x2),3.
        short = re.findall(r'(\d+)(?:\(x(\d+)\))?', environment['SLURM_STEP_TASKS_PER_NODE'])
        tasks = [int(count) for count, repeated in short for _ in range(int(repeated or 1))]
        return max(1, cores // tasks[int(environment.get('SLURM_NODEID', 0)) % len(tasks)])
    return cores


def share_of_work(environment: Mapping[str, str] = os.environ) -> tuple[int, int, int]:
    """Tell which share of the work is this process's, by the variables of torchrun or of srun.

    It is the rank, the number of processes, and the rank on this machine: (0, 1, 0) alone.
    """
    # Not SLURM_NTASKS: that is set in a batch script too, which runs once.
    for names in (
        ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
        ('SLURM_PROCID', 'SLURM_STEP_NUM_TASKS', 'SLURM_LOCALID'),
    ):
        if all(name in environment for name in names):
            return tuple(int(environment[name]) for name in names)
    return 0, 1, 0


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(0)  # as many processes as cores are running already
    os.environ['OMP_NUM_THREADS'] = '1'  # for what is imported later
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(1)
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which shuts us down
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def keep_memory() -> None:
    """Let glibc keep freed memory of this process for its next arrays.

    It gives large arrays back at once, and the next ones pay for each of their pages: a seventh of
    the CRF's time.
    """
    with contextlib.suppress(AttributeError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        for option in (-3, -1):  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD
            mallopt(option, 1 << 28)


def _end_with(sentinel) -> None:
    """End this process when its parent is gone, which a queue alone would never tell it."""
    wait([sentinel])
    os._exit(1)
