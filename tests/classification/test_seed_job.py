import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.classification.seed_job import SeedImage, SeedJob, read_saliency, run_job
from mmws.files.image_file import BadInputError
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.seed_recipe import SeedRecipe

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=1.0))
CAMS = ImageCAMs((4,), {1.0: np.eye(4, dtype=np.float16)[None]})


@pytest.fixture
def run(tmp_path):
    """Runs the job of one image, some of whose attributes are other ones."""
    Image.new('RGB', (30, 20), (10, 200, 30)).save(tmp_path / 'x.jpg')
    Image.new('L', (30, 20), 200).save(tmp_path / 'x.png')
    image = dict(path=str(tmp_path / 'x.jpg'), saliency_path=str(tmp_path / 'x.png'))
    files = {name: tmp_path / 'out' / name / 'x.png' for name in RECIPE.names}

    def start(cams=CAMS, **change):
        job = SeedJob(
            SeedImage(**{**image, 'image_id': 'x', 'class_ids': (4,), **change}), cams, files
        )
        return run_job(job, RECIPE)

    return start


@pytest.mark.parametrize(
    'name, content, message',
    [
        ('nowhere.jpg', None, 'nowhere.jpg cannot be read'),
        ('cut.jpg', b'\xff\xd8\xff', 'cut.jpg is no image, or is damaged'),
    ],
)
def test_bad_images_write_nothing(run, tmp_path, name, content, message):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInputError, match=message):
        run(path=str(tmp_path / name))
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'name, channels, dtype',
    [('grey.png', (), np.uint8), ('deep.png', (), np.uint16), ('alpha.png', (4,), np.uint8)],
)
def test_images_of_other_kinds_are_read(run, tmp_path, name, channels, dtype):
    Image.fromarray(np.full((20, 30, *channels), 200, dtype)).save(tmp_path / f'größe 1 {name}')
    run(path=str(tmp_path / f'größe 1 {name}'))
    assert (tmp_path / 'out/a_threshold_x1.0/x.png').is_file()


def test_kept_cams_that_do_not_belong_to_the_image(run, tmp_path):
    with pytest.raises(BadInputError, match='no.npz'):
        run(str(tmp_path / 'no.npz'))
    (tmp_path / 'other.npz').write_bytes(CAMS.encode())
    with pytest.raises(BadInputError, match=r'classes \(4,\), but the image has \(5,\)'):
        run(str(tmp_path / 'other.npz'), class_ids=(5,))


def test_a_full_disk_is_an_error(run, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='no space left while writing'):
        run()


@pytest.mark.parametrize(
    'mode, size, message',
    [
        ('RGB', (3, 2), 'has mode RGB; it must be 8-bit grey'),
        ('L', (3, 3), 'is 3 x 3 pixels, its image 3 x 2'),
    ],
)
def test_maps_are_8_bit_grey_and_of_the_image_s_size(tmp_path, mode, size, message):
    Image.new(mode, size).save(tmp_path / 'map.png')
    with pytest.raises(BadInputError, match=message):
        read_saliency(tmp_path / 'map.png', (2, 3))
    assert read_saliency(None, (2, 3)) is None
