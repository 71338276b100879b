"""Draws the seeds of one image from the command line."""

import numpy as np
import pytest
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.seeds.cam_store import CAM_MANIFEST, ImageCAMs

COW = (64, 128, 0)  # VOC's colour of label 10


@pytest.fixture
def run(tool, tmp_path):
    (tmp_path / 'images/train').mkdir(parents=True)
    Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / 'images/train/x.jpg')
    arguments = ['seeds', '--images', 'images', '--cams', 'cams', '--out', 'sheets', '--html']
    return lambda *options: tool('browse_seeds.py', *arguments, *options, cwd=tmp_path)


@pytest.fixture
def write_seed(save, tmp_path):
    def write(name, label, recipe=None):
        if recipe:
            SeedFolder(tmp_path / 'seeds' / name, recipe).prepare()
        save(np.full((40, 60), label), f'seeds/{name}/train/x.png')

    return write


def write_cam(root, class_id, recipe=None):
    if recipe:
        SeedFolder(root / 'cams/a', recipe, suffix='.npz', manifest=CAM_MANIFEST).prepare()
    cams = ImageCAMs((class_id,), {1.0: np.eye(4, dtype=np.float16)[None]})
    write_atomically(root / 'cams/a/train/x.npz', cams.encode())


def test_a_sheet_an_image(run, write_seed, tmp_path):
    for scale in ('1.0', '0.5'):
        write_seed(f'vgg16_crf_x{scale}', 10)
    write_cam(tmp_path, 9)
    done = run()
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / 'sheets/train/x.png'))
    assert len(sheet) > 400 and (sheet == COW).all(2).sum() > 2000
    assert 'src="train/x.png"' in (tmp_path / 'sheets/index.html').read_text()
    wrong = run('--ids', 'y')
    assert wrong.returncode and '1 of 1 images have no label map in ' in wrong.stderr


def test_classes_are_those_the_seeds_were_made_with(run, write_seed, tmp_path):
    names = [f'class {number}' for number in range(25)]
    write_seed('a', 25, {'classes': names})
    write_cam(tmp_path, 24)  # VOC has no such class
    assert run().returncode == 0
    write_seed('b', 24, {'classes': names[:-1]})
    mixed = run()
    assert mixed.returncode and 'class 24, but' in mixed.stderr
    assert run('--classes', 26).returncode == 0


def test_labels_that_are_numbered_otherwise_keep_their_colours(run, write_seed, tmp_path):
    write_seed('a', 10, {'classes': ['cat', 'cow'], 'labels': [8, 10]})
    write_cam(tmp_path, 1, {'classes': ['cat', 'cow']})  # CAMs are numbered by class
    done = run()
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / 'sheets/train/x.png'))
    assert (sheet == COW).all(2).sum() > 1000
