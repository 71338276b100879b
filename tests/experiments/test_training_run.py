import sys
import tarfile

import pytest
import torch

from mmws.experiments.jobs import run_jobs
from mmws.experiments.training_run import TrainingRun, srun, torchrun
from mmws.version import __version__


@pytest.fixture
def run(tiny_config_file, tmp_path):
    """A run of two epochs, as its config has it."""
    return TrainingRun('tiny', tiny_config_file, {'randomness.seed': 0}, tmp_path / 'cell')


def test_a_run_of_other_settings_is_refused_while_it_runs(run):
    run.check()
    run.job().start()
    run.check()
    trial = TrainingRun(run.name, run.base, {'train_cfg.max_epochs': 1}, run.folder)
    for refuse in (trial.check, trial.job().start):
        with pytest.raises(FileExistsError, match='train_cfg.max_epochs is 2 there and 1 here'):
            refuse()


def test_launchers_come_before_and_behind_the_tools(run):
    def commands(launcher):
        made = TrainingRun('a', run.base, {}, run.folder, launcher=launcher)
        return [list(map(str, c)) for c in (*made.job().commands, *made.submission_job().commands)]

    for command in commands(torchrun(4)):
        module = [sys.executable, '-m', 'torch.distributed.run']
        assert command[:6] == [*module, '--standalone', '--nproc-per-node', '4']
        assert command[command.index('--launcher') + 1] == 'pytorch'
    arguments = '-p long --comment "two words"'
    for command in commands(srun(4, {'SRUN_ARGS': arguments})):
        tool = next(i for i, part in enumerate(command) if part.endswith(('train.py', 'test.py')))
        assert command[0] == 'srun' and {'--ntasks=4', '--gres=gpu:4'} <= set(command[:tool])
        assert command[tool - 6 : tool] == [
            *('-p', 'long', '--comment', 'two words', sys.executable, '-u')
        ]
        assert command[command.index('--launcher') + 1] == 'slurm'


@pytest.mark.slow
def test_a_run_leaves_its_result_its_last_weights_and_an_archive(run, voc_tree):
    jobs = [run.job(), run.submission_job()]
    leftover = run.archive.parent / 'results/VOC2012/Segmentation/comp5_test_cls/half.png'
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    assert run_jobs(jobs, 2, say=lambda _: None) == 2
    result = run.result()
    assert 0 <= result['mIoU'] <= 100
    made = result['made_with']
    assert (made['mmws'], made['torch']) == (__version__, torch.__version__)
    (checkpoint,) = run.folder.glob('*.pth')
    assert checkpoint.name == 'epoch_2.pth'
    assert set(torch.load(checkpoint, weights_only=False)) == {'meta', 'state_dict'}
    with tarfile.open(run.archive) as archive:
        names = sorted(name.rsplit('/', 1)[1] for name in archive.getnames())
    assert names == sorted(f'{image_id}.png' for image_id in voc_tree.ids['test'])
    assert run_jobs(jobs, 2, say=lambda _: None) == 0
