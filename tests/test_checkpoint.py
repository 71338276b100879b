import os

import pytest
import torch
from mmengine.runner import CheckpointLoader
from mmengine.utils import digit_version

from mmws.checkpoint import read_checkpoint


def test_what_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint .*none.pth. Train one'):
        read_checkpoint(tmp_path / 'none.pth')
    (tmp_path / 'text.pth').write_text('not weights')
    with pytest.raises(ValueError, match='text.pth is not a checkpoint that torch can load'):
        read_checkpoint(tmp_path / 'text.pth')
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ValueError, match='list.pth holds no weights by name but a list'):
        read_checkpoint(str(tmp_path / 'list.pth'))


class _MakesFolder:
    """Runs code when the unsafe loader reads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 6), reason='torch < 2.6 has no safe default'
)
def test_the_host_does_not_make_a_file_unsafe(tmp_path, monkeypatch):
    """OneDL's mmengine reads by the unsafe loader what the safe one refuses."""
    monkeypatch.setattr(
        CheckpointLoader, 'load_checkpoint', lambda name, **_: torch.load(name, weights_only=False)
    )
    torch.save(_MakesFolder(tmp_path / 'ran'), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='load safely'):
        read_checkpoint(tmp_path / 'evil.pth')
    assert not (tmp_path / 'ran').exists()
