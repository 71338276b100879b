"""The shell scripts, with stand-ins for python and srun that print what they are given."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'

pytestmark = pytest.mark.skipif(shutil.which('bash') is None, reason='the scripts need bash')


@pytest.fixture
def run(tmp_path):
    for name in ('python', 'srun'):
        stand_in = tmp_path / name
        stand_in.write_text('#!/bin/sh\necho "$PYTHONPATH"\nprintf "%s\\n" "$@"\n')
        stand_in.chmod(0o755)

    def run(script, *arguments, **variables):
        clean = {k: v for k, v in os.environ.items() if k not in ('PYTHONPATH', 'GPUS', 'PORT')}
        environment = {**clean, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', **variables}
        done = subprocess.run(
            [TOOLS / script, *arguments], env=environment, capture_output=True, text=True
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


@pytest.mark.parametrize('kind', ['train', 'test'])
def test_dist(run, kind):
    fixed = ['net.py', 'a b.pth'][: 1 + (kind == 'test')]
    code, (path, *found), _ = run(
        f'dist_{kind}.sh', *fixed, '2', '--cfg-options', 'x=[1, 2]', PORT='1234', NNODES='3'
    )
    assert code == 0
    assert Path(path).resolve() == TOOLS.parent
    assert found[:2] == ['-m', 'torch.distributed.run']
    assert {'--nproc_per_node=2', '--master_port=1234', '--nnodes=3'} <= set(found)
    script = found.index(str(TOOLS / f'{kind}.py'))
    expected = [*fixed, '--launcher', 'pytorch', '--cfg-options', 'x=[1, 2]']
    assert found[script + 1 :] == expected


@pytest.mark.parametrize('kind', ['train', 'test'])
@pytest.mark.parametrize('gpus, per_node', [('2', '2'), ('8', '4')])
def test_slurm(run, kind, gpus, per_node):
    fixed = ['net.py', 'a b.pth'][: 1 + (kind == 'test')]
    code, (path, *found), _ = run(
        f'slurm_{kind}.sh', 'part', 'job', *fixed, '--amp', GPUS=gpus, SRUN_ARGS='--qos high'
    )
    assert code == 0
    assert Path(path).resolve() == TOOLS.parent
    assert found[:3] == ['-p', 'part', '--job-name=job']
    assert {f'--ntasks={gpus}', f'--gres=gpu:{per_node}', f'--ntasks-per-node={per_node}'} <= set(
        found
    )
    start = found.index('--qos')
    command = ['--qos', 'high', 'python', '-u', str(TOOLS / f'{kind}.py'), *fixed]
    assert found[start:] == [*command, '--launcher', 'slurm', '--amp']


@pytest.mark.parametrize('script', sorted(path.name for path in TOOLS.glob('*_t*.sh')))
def test_too_few_arguments_print_the_usage(run, script):
    code, _, error = run(script, 'one')
    assert code == 2
    assert error.startswith('usage:')
