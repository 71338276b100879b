from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config file, a checkpoint and a folder of images."""
    root = tmp_path_factory.mktemp('saliency')
    cfg = Config.fromfile(ROOT / 'configs/saliency/dss_shapes.py')
    cfg.model.backbone.base_channels = 2
    cfg.model.decode_head.update(in_channels=[2, 4, 8, 16, 16, 16], base_channels=2)
    cfg.dump(root / 'dss.py')
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict()), root / 'dss.pth')
    (root / 'images').mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        image = Image.fromarray(rng.integers(0, 255, (30, 40 + i, 3), np.uint8))
        image.save(root / f'images/im{i}.jpg')
    return root


@pytest.fixture
def run(tool, trained, tmp_path):
    """Runs the tool on the images, out to ``maps``."""

    def start(*options):
        paths = (trained / 'dss.py', trained / 'dss.pth', trained / 'images', '--out', 'maps')
        return tool('generate_saliency.py', *paths, '--device', 'cpu', *options, cwd=tmp_path)

    return start


@pytest.mark.slow
def test_writes_refuses_and_begins_anew(run, tmp_path):
    first = run('--limit', 2)
    assert first.returncode == 0, first.stderr[-3000:]
    assert '2 images made' in first.stdout
    assert '1 images are left out by the limit' in first.stdout

    refused = run('--outputs', 'side2', 'fuse', '--no-min-max')
    assert refused.returncode != 0
    assert 'made by another recipe: fusion.min_max is True there and False' in refused.stderr

    (tmp_path / 'ids.txt').write_text('im0.jpg\nim2.jpg\n')
    third = run('--list', tmp_path / 'ids.txt', '--no-min-max', '--overwrite')
    assert '2 images made' in third.stdout, third.stderr
    names = sorted(path.name for path in (tmp_path / 'maps').iterdir())
    assert names == ['im0.png', 'im2.png', 'saliency.json']
    with Image.open(tmp_path / 'maps/im2.png') as saliency:
        assert (saliency.mode, saliency.size) == ('L', (42, 30))


def test_processes_make_their_shares(run, tmp_path, monkeypatch):
    for name, value in dict(RANK='1', WORLD_SIZE='2', LOCAL_RANK='0').items():
        monkeypatch.setenv(name, value)
    done = run()
    assert '1 images made' in done.stdout, done.stderr
    assert '2 images are left to the other processes' in done.stdout
    assert [path.name for path in (tmp_path / 'maps').glob('*.png')] == ['im1.png']
    done = run('--overwrite')
    assert done.returncode == 2 and 'several processes would empty' in done.stderr
