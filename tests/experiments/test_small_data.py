import pytest

from mmws.experiments.cells import TABLES
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


@pytest.mark.parametrize(
    ('job', 'folder', 'suffix', 'total'),
    [
        ('images', 'JPEGImages', '.jpg', 7),
        ('noise 0.3', 'noisy/noise0.3_11', '.png', 5),
        ('res38 seeds', 'seeds/res38_crf_x0.5', '.png', 5),
        ('vgg16 seeds (mean)', 'seeds/vgg16_crf_mean', '.png', 5),
    ],
)
def test_jobs_that_write_files_say_how_many_are_there(tmp_path, job, folder, suffix, total):
    data = SmallData(tmp_path, train=5, val=2)
    jobs = data.jobs([t for table in TABLES.values() for t in table.trainings.values()])
    (found,) = [made for made in jobs if made.name == job]
    assert found.progress() == f'0 of {total} files'
    (data.root / folder).mkdir(parents=True)
    for name in (f'a{suffix}', f'b{suffix}', f'.c{suffix}', 'seed.json'):
        (data.root / folder / name).write_text('{}')
    assert found.progress() == f'2 of {total} files'
