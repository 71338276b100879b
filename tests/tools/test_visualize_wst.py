import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def run(tool, tiny_config_file, tiny_checkpoint, tmp_path):
    """Draw sheets of a net with random weights."""

    def start(*options, checkpoint=tiny_checkpoint):
        arguments = ('visualize_wst.py', tiny_config_file, checkpoint, '--out', 'sheets')
        return tool(*arguments, '--device', 'cpu', *options, cwd=tmp_path)

    return start


def test_sheets_by_id_and_by_number(run, voc_tree, tmp_path):
    first, *_, last = voc_tree.ids['train_aug']
    done = run('--ids', last)
    assert done.returncode == 0, done.stderr
    assert [path.stem for path in (tmp_path / 'sheets').iterdir()] == [last]
    assert np.asarray(Image.open(tmp_path / f'sheets/{last}.png')).std() > 20
    assert '2 sheets in sheets' in run('--limit', 2).stdout
    assert (tmp_path / f'sheets/{first}.png').is_file()


def test_unknown_id_and_missing_checkpoint(run):
    done = run('--ids', 'nobody')
    assert done.returncode == 1 and 'has no image nobody' in done.stderr
    done = run(checkpoint='net.pth')
    assert done.returncode == 1 and 'no checkpoint' in done.stderr
    assert 'Traceback' not in done.stderr
