import pytest
import torch

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
