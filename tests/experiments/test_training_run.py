import sys
import tarfile

import pytest
import torch

from mmws.experiments.jobs import run_jobs
from mmws.experiments.training_run import TrainingRun, made_with
from mmws.version import __version__


@pytest.fixture
def run(tiny_config_file, tmp_path):
    """A run of two epochs, as its config has it."""
    return TrainingRun('tiny', tiny_config_file, {'randomness.seed': 0}, tmp_path / 'cell')


def first_command(run):
    return list(map(str, next(iter(run.job().steps()))))


@pytest.mark.parametrize(
    ('launcher', 'begin', 'end'),
    [
        ('none', [], [sys.executable]),
        (
            'pytorch',
            [sys.executable, '-m', 'torch.distributed.run', '--standalone'],
            # Without an address, processes wait where the machine's name does not resolve.
            ['--local-addr=localhost', '--nproc-per-node', '2'],
        ),
        (
            'slurm',
            ['srun', '--ntasks=2', '--ntasks-per-node=2', '--gres=gpu:2'],
            ['-p', 'long', '--comment', 'two words', sys.executable, '-u'],
        ),
    ],
)
def test_launchers_come_before_and_behind_the_tools(run, monkeypatch, launcher, begin, end):
    monkeypatch.setenv('SRUN_ARGS', '-p long --comment "two words"')
    gpus = 1 if launcher == 'none' else 2
    launched = TrainingRun('a', run.base, {}, run.folder, gpus=gpus, launcher=launcher)
    (submission,) = launched.submission_job().steps()
    for command in (first_command(launched), list(map(str, submission))):
        tool = next(i for i, part in enumerate(command) if part.endswith(('train.py', 'test.py')))
        assert command[: len(begin)] == begin and command[tool - len(end) : tool] == end
        flags = [] if launcher == 'none' else ['--launcher', launcher]
        assert command[tool + 2 : tool + 2 + len(flags)] == flags
    # The tiny config has batches of 2.
    share = ['--cfg-options', 'train_dataloader.batch_size=1']
    assert (first_command(launched)[-2:] == share) == (gpus == 2)
    assert launched.config.train_dataloader.batch_size == 2


@pytest.mark.slow
def test_a_run_leaves_its_result_its_last_weights_and_an_archive(run, voc_tree):
    jobs = [run.job(), run.submission_job()]
    leftover = run.archive.parent / 'results/VOC2012/Segmentation/comp5_test_cls/half.png'
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    assert run_jobs(jobs, 2, say=lambda _: None) == 2
    result = run.result()
    assert 0 <= result['mIoU'] <= 100
    assert f'torch {torch.__version__}, Python 3' in result['made_with']
    (checkpoint,) = run.folder.glob('*.pth')
    assert checkpoint.name == 'epoch_2.pth'
    assert set(torch.load(checkpoint, weights_only=False)) == {'meta', 'state_dict'}
    with tarfile.open(run.archive) as archive:
        names = sorted(name.rsplit('/', 1)[1] for name in archive.getnames())
    assert names == sorted(f'{image_id}.png' for image_id in voc_tree.ids['test'])
    assert run_jobs(jobs, 2, say=lambda _: None) == 0


def test_the_device_is_that_of_the_training_not_of_this_process(tmp_path):
    assert made_with(tmp_path).startswith(f'mmws {__version__}')
    assert made_with(tmp_path).endswith('CPU cores')
    for start, gpu in (('2026', 'Old'), ('2027', 'NVIDIA H100 80GB HBM3')):
        (tmp_path / start).mkdir()
        (tmp_path / start / f'{start}.log').write_text(f'x\n    GPU 0,1: {gpu}\ny\n')
    assert made_with(tmp_path).endswith(', NVIDIA H100 80GB HBM3')
