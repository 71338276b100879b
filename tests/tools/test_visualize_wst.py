import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image


@pytest.fixture
def run(tool, tiny_config_file, tmp_path):
    """Draw sheets of a net with random weights."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(tiny_config_file).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'net.pth')
    arguments = ('visualize_wst.py', tiny_config_file, tmp_path / 'net.pth', '--out', 'sheets')
    return lambda *options: tool(*arguments, '--device', 'cpu', *options, cwd=tmp_path)


def test_sheets_by_id_and_by_number(run, voc_tree, tmp_path):
    first, *_, last = voc_tree.ids['train_aug']
    done = run('--ids', last)
    assert done.returncode == 0, done.stderr
    assert [path.stem for path in (tmp_path / 'sheets').iterdir()] == [last]
    assert np.asarray(Image.open(tmp_path / f'sheets/{last}.png')).std() > 20
    assert '2 sheets in sheets' in run('--limit', 2).stdout
    assert (tmp_path / f'sheets/{first}.png').is_file()


def test_unknown_id_and_missing_checkpoint(run, tmp_path):
    done = run('--ids', 'nobody')
    assert done.returncode == 1 and 'has no image nobody' in done.stderr
    (tmp_path / 'net.pth').unlink()
    done = run()
    assert done.returncode == 1 and 'no checkpoint' in done.stderr
    assert 'Traceback' not in done.stderr
