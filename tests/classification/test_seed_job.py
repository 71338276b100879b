import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.classification.seed_job import SeedImage, SeedJob, read_saliency, run_job
from mmws.files.image_file import BadInputError
from mmws.files.label_map import read_label_map
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.recipe import SeedRecipe

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=[1.0, 0.5]))
CAMS = ImageCAMs((4,), {s: np.eye(4, dtype=np.float16)[None] for s in (1.0, 0.5)})


@pytest.fixture
def image(tmp_path):
    Image.new('RGB', (30, 20), (10, 200, 30)).save(tmp_path / 'x.jpg')
    Image.new('L', (30, 20), 200).save(tmp_path / 'x.png')
    return SeedImage('x', str(tmp_path / 'x.jpg'), (4,), str(tmp_path / 'x.png'))


def files(tmp_path):
    return {name: str(tmp_path / 'out' / name / 'x.png') for name in RECIPE.names}


def test_writes_seeds_and_cams(image, tmp_path):
    job = SeedJob(image, CAMS, files(tmp_path), str(tmp_path / 'cams/x.npz'))
    result = run_job(job, RECIPE)
    assert result.problem is None and result.salient_share == 1
    pixels = np.zeros((20, 30, 3), np.uint8)
    expected = RECIPE.make(pixels, CAMS, np.full((20, 30), 200, np.uint8))
    for name, path in files(tmp_path).items():
        np.testing.assert_array_equal(read_label_map(path), expected[name])
    kept = read_cams(tmp_path / 'cams/x.npz')
    np.testing.assert_array_equal(kept.maps[0.5], CAMS.maps[0.5])


def test_stored_cams_make_the_same_seeds(image, tmp_path):
    run_job(SeedJob(image, CAMS, files(tmp_path), str(tmp_path / 'x.npz')), RECIPE)
    first = {name: Path(path).read_bytes() for name, path in files(tmp_path).items()}
    run_job(SeedJob(image, str(tmp_path / 'x.npz'), files(tmp_path)), RECIPE)
    assert first == {name: Path(path).read_bytes() for name, path in files(tmp_path).items()}


def test_bad_files_are_a_result_and_write_nothing(image, tmp_path):
    def problem(**change):
        broken = SeedImage(**{**image.__dict__, **change})
        result = run_job(SeedJob(broken, CAMS, files(tmp_path)), RECIPE)
        assert result.image_id == 'x' and not (tmp_path / 'out').exists()
        return result.problem

    assert 'nowhere.jpg cannot be read' in problem(path=str(tmp_path / 'nowhere.jpg'))
    (tmp_path / 'cut.jpg').write_bytes(b'\xff\xd8\xff')
    assert 'cut.jpg is no image, or damaged' in problem(path=str(tmp_path / 'cut.jpg'))
    Image.new('L', (30, 21)).save(tmp_path / 'large.png')
    assert '30 x 21 pixels, its image 30 x 20' in problem(saliency_path=str(tmp_path / 'large.png'))
    result = run_job(SeedJob(image, str(tmp_path / 'no.npz'), files(tmp_path)), RECIPE)
    assert 'no.npz' in result.problem
    (tmp_path / 'other.npz').write_bytes(CAMS.encode())
    other = SeedImage('x', image.path, (5,), image.saliency_path)
    result = run_job(SeedJob(other, str(tmp_path / 'other.npz'), files(tmp_path)), RECIPE)
    assert 'classes (4,), but the image has (5,)' in result.problem


def test_a_full_disk_is_an_error(image, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='no space left while writing'):
        run_job(SeedJob(image, CAMS, files(tmp_path)), RECIPE)


def test_saliency_must_be_8_bit_grey(tmp_path):
    Image.new('RGB', (3, 2)).save(tmp_path / 'rgb.png')
    with pytest.raises(BadInputError, match='has mode RGB; it must be 8-bit grey'):
        read_saliency(tmp_path / 'rgb.png', (2, 3))
    assert read_saliency(None, (2, 3)) is None
