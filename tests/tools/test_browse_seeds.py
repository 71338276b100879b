"""Draws the seeds of one image from the command line."""

import numpy as np
from PIL import Image

from mmws.seeds.bank import encode_seed
from mmws.seeds.cam_store import ImageCAMs


def test_a_sheet_an_image(tool, tmp_path):
    for folder in ('images', 'seeds/vgg16_crf_x1.0', 'seeds/vgg16_crf_x0.5', 'cams/vgg16'):
        (tmp_path / folder).mkdir(parents=True)
    Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / 'images/x.jpg')
    for scale in ('1.0', '0.5'):
        seed = encode_seed(np.full((40, 60), 15, np.uint8))
        (tmp_path / f'seeds/vgg16_crf_x{scale}/x.png').write_bytes(seed)
    cams = ImageCAMs((14,), {1.0: np.eye(4, dtype=np.float16)[None]})
    (tmp_path / 'cams/vgg16/x.npz').write_bytes(cams.encode())
    options = ['--images', 'images', '--cams', 'cams', '--out', 'sheets', '--html']
    done = tool('browse_seeds.py', 'seeds', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / 'sheets/x.png').height > 400
    assert 'src="x.png"' in (tmp_path / 'sheets/index.html').read_text()
    wrong = tool('browse_seeds.py', 'seeds', *options, '--ids', 'y', cwd=tmp_path)
    assert wrong.returncode and 'not every folder has a seed of y' in wrong.stderr
