"""Draws the seeds of one image from the command line."""

import numpy as np
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.label_map import encode_label_map
from mmws.seeds.cam_store import CAM_MANIFEST, ImageCAMs


def test_a_sheet_an_image(tool, tmp_path):
    for folder in ('images', 'seeds/vgg16_crf_x1.0', 'seeds/vgg16_crf_x0.5', 'cams/vgg16'):
        (tmp_path / folder).mkdir(parents=True)
    Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / 'images/x.jpg')
    for scale in ('1.0', '0.5'):
        seed = encode_label_map(np.full((40, 60), 15, np.uint8))
        (tmp_path / f'seeds/vgg16_crf_x{scale}/x.png').write_bytes(seed)
    cams = ImageCAMs((14,), {1.0: np.eye(4, dtype=np.float16)[None]})
    (tmp_path / 'cams/vgg16/x.npz').write_bytes(cams.encode())
    options = ['--images', 'images', '--cams', 'cams', '--out', 'sheets', '--html']
    done = tool('browse_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / 'sheets/x.png').height > 400
    assert 'src="x.png"' in (tmp_path / 'sheets/index.html').read_text()
    wrong = tool('browse_seeds.py', 'seeds', *options, '--ids', 'y', cwd=tmp_path)
    assert wrong.returncode and '1 of 1 images have no label map in ' in wrong.stderr


def make_seed(root, name, classes):
    folder = SeedFolder(root / 'seeds' / name, {'classes': classes})
    folder.prepare()
    write_atomically(folder.file('train/x'), encode_label_map(np.full((40, 60), 25, np.uint8)))


def test_classes_are_those_the_seeds_were_made_with(tool, tmp_path):
    (tmp_path / 'images/train').mkdir(parents=True)
    Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / 'images/train/x.jpg')
    names = [f'class {number}' for number in range(25)]
    make_seed(tmp_path, 'a_crf_x1.0', names)
    # VOC has no such class.
    cams = ImageCAMs((24,), {1.0: np.eye(4, dtype=np.float16)[None]})
    write_atomically(tmp_path / 'cams/a/train/x.npz', cams.encode())
    options = ['--images', 'images', '--cams', 'cams', '--out', 'sheets']
    done = tool('browse_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'sheets/train/x.png').is_file()
    make_seed(tmp_path, 'b_crf_x1.0', names[:-1])
    mixed = tool('browse_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert mixed.returncode and 'class 24, but' in mixed.stderr
    done = tool('browse_seeds.py', 'seeds', *options, '--classes', 26, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_labels_that_are_numbered_otherwise_keep_their_colours(tool, tmp_path):
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / 'images/x.jpg')
    folder = SeedFolder(tmp_path / 'seeds/a', {'classes': ['cat', 'cow'], 'labels': [8, 10]})
    folder.prepare()
    write_atomically(folder.file('x'), encode_label_map(np.full((40, 60), 10, np.uint8)))
    # CAMs are numbered by class: 1 is the cow.
    cams = ImageCAMs((1,), {1.0: np.eye(4, dtype=np.float16)[None]})
    store = SeedFolder(
        tmp_path / 'cams/a', {'classes': ['cat', 'cow']}, suffix='.npz', manifest=CAM_MANIFEST
    )
    store.prepare()
    write_atomically(store.file('x'), cams.encode())
    options = ['--images', 'images', '--cams', 'cams', '--out', 'sheets']
    done = tool('browse_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    sheet = np.asarray(Image.open(tmp_path / 'sheets/x.png').convert('RGB'))
    assert (sheet == (64, 128, 0)).all(2).sum() > 1000  # VOC's colour of cow
