import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmws.files import worker_pool
from mmws.files.worker_pool import map_unordered, share_of_work, worker_cores


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_give_every_result_once_and_pull_jobs_as_they_go():
    taken = []

    def jobs():
        for job in range(-20, 20):
            taken.append(job)
            yield job

    results = map_unordered(abs, jobs(), workers=2, preload='mmws.seeds.seed')
    first = next(results)
    assert len(taken) <= 2 * 4
    assert sorted([first, *results]) == sorted(abs(job) for job in range(-20, 20))


def test_a_dead_worker_is_named():
    with pytest.raises(RuntimeError, match='A worker process died.*fewer workers'):
        list(map_unordered(die, range(3), workers=1, preload='mmws.seeds.seed'))


@pytest.mark.skipif(not Path('/proc').is_dir(), reason='looks for processes in /proc')
def test_workers_end_with_a_killed_parent(tmp_path):
    script = tmp_path / 'parent.py'
    script.write_text(
        'from slow import work\n'
        'from mmws.files.worker_pool import map_unordered\n'
        'if __name__ == "__main__":\n'
        '    for pid in map_unordered(work, range(99), workers=2):\n'
        '        print(pid, flush=True)\n'
    )
    (tmp_path / 'slow.py').write_text(
        'import os, time\ndef work(_):\n    time.sleep(0.1)\n    return os.getpid()\n'
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).resolve().parents[2])])
    parent = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=path),
    )
    # OneDL's packages print a line of their own before.
    worker = int(next(line for line in parent.stdout if line.strip().isdigit()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 20
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # gone
        # Z: dead, only not yet collected by its own parent.
        while Path(f'/proc/{worker}/stat').read_text().split()[2] != 'Z':
            assert time.monotonic() < deadline, 'the worker outlived its parent'
            time.sleep(0.05)


@pytest.mark.parametrize(
    'environment, expected',
    [
        ({}, 16),
        (dict(SLURM_CPUS_PER_TASK='4', SLURM_NTASKS='4'), 16),  # in a batch script
        (dict(LOCAL_WORLD_SIZE='8', WORLD_SIZE='32'), 2),
        (dict(LOCAL_WORLD_SIZE='64'), 1),
        (dict(OMPI_COMM_WORLD_LOCAL_SIZE='4'), 4),
        (dict(SLURM_STEP_TASKS_PER_NODE='4'), 4),
        (dict(SLURM_STEP_TASKS_PER_NODE='4(x2),2', SLURM_NODEID='1'), 4),
        (dict(SLURM_STEP_TASKS_PER_NODE='4(x2),2', SLURM_NODEID='2'), 8),
        (dict(SLURM_STEP_TASKS_PER_NODE='4', SLURM_CPUS_PER_TASK='6'), 6),
        (dict(SLURM_STEP_TASKS_PER_NODE='1', LOCAL_WORLD_SIZE='8'), 2),
    ],
)
def test_processes_of_a_machine_share_its_cores(monkeypatch, environment, expected):
    monkeypatch.setattr(worker_pool, 'available_cores', lambda: 16)
    assert worker_cores(environment) == expected


def test_shares_of_torchrun_and_srun():
    assert share_of_work({}) == (0, 1, 0)
    assert share_of_work(dict(RANK='3', WORLD_SIZE='4', LOCAL_RANK='1')) == (3, 4, 1)
    step = dict(SLURM_PROCID='2', SLURM_STEP_NUM_TASKS='8', SLURM_LOCALID='0')
    assert share_of_work(step) == (2, 8, 0)
    assert share_of_work(dict(SLURM_PROCID='0', SLURM_NTASKS='8')) == (0, 1, 0)
