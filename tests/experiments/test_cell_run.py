import json
import sys
import tarfile

import pytest
import torch

from mmws.experiments.cell_run import CellRun, srun, torchrun
from mmws.experiments.jobs import run_jobs
from mmws.version import __version__


@pytest.fixture
def cell(tiny_config_file, tmp_path):
    """A run of two epochs, as its config has it."""
    return CellRun('tiny', tiny_config_file, tmp_path / 'cell', options=['randomness.seed=0'])


def with_epochs(cell, epochs):
    return CellRun(cell.name, cell.config, cell.folder, epochs=epochs)


def test_other_settings_are_refused_while_it_runs_and_afterwards(cell):
    cell.check()
    cell.job().start()
    cell.check()
    with_epochs(cell, 2).check()  # the config's own number
    trial = with_epochs(cell, 1)
    for refuse in (trial.check, trial.job().start):
        with pytest.raises(FileExistsError, match=r"holds a run with {'epochs': 2}; asked for is"):
            refuse()


@pytest.mark.parametrize('left', ['result.json', 'epoch_1.pth'])
def test_what_an_older_version_left_is_of_the_configs_own_length(cell, left):
    cell.folder.mkdir()
    (cell.folder / left).write_text('{}')
    cell.check()
    with pytest.raises(FileExistsError, match='Choose another --out'):
        with_epochs(cell, 1).check()


def test_launchers_come_before_and_behind_the_tools(cell):
    def commands(launcher):
        run = CellRun('a', cell.config, cell.folder, launcher=launcher)
        return [list(map(str, c)) for c in (*run.job().commands, *run.submission_job().commands)]

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
def test_a_run_leaves_its_result_what_it_was_made_with_and_an_archive(cell, voc_tree):
    jobs = [cell.job(), cell.submission_job()]
    leftover = cell.archive.parent / 'results/VOC2012/Segmentation/comp5_test_cls/half.png'
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    assert run_jobs(jobs, 2, say=lambda _: None) == 2
    result = cell.result()
    assert 0 <= result['mIoU'] <= 100
    made = result['made_with']
    assert (made['mmws'], made['torch']) == (__version__, torch.__version__)
    assert json.loads((cell.folder / 'settings.json').read_text()) == {'epochs': 2}
    with tarfile.open(cell.archive) as archive:
        names = sorted(name.rsplit('/', 1)[1] for name in archive.getnames())
    assert names == sorted(f'{image_id}.png' for image_id in voc_tree.ids['test'])
    assert run_jobs(jobs, 2, say=lambda _: None) == 0
