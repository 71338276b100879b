import pytest

from mmws.experiments.small_data import SmallData


def test_masks_that_are_not_there_leave_the_folder_free(tmp_path):
    masks = tmp_path / 'masks'
    masks.mkdir()
    for i in range(3):
        (masks / f'{i}.png').touch()
    out = tmp_path / 'out'
    for wrong in (tmp_path / 'mistyped', masks):
        with pytest.raises(FileNotFoundError, match=f'{wrong} holds .*PNG.* and 4 are wanted'):
            SmallData(out, train=3, val=1, masks=wrong).check([])
    assert not out.exists()
    SmallData(out, train=2, val=1, masks=masks).check([])
    with pytest.raises(FileExistsError, match='train is 2 there and 3 here'):
        SmallData(out, train=3, val=1).check([])
