import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import encode_label_map

OTHER_SIZE = encode_label_map(np.zeros((7, 9), np.uint8))


@pytest.fixture
def run(tool, voc_tree, tmp_path):
    """Check the tree's three seed folders, copied."""
    for name in voc_tree.seed_names:
        shutil.copytree(voc_tree.seed_root / name, tmp_path / name)
    arguments = [*voc_tree.seed_names, '--images', voc_tree.root / 'JPEGImages', '--workers', 0]
    return lambda *options: tool('check_seeds.py', *arguments, *options, cwd=tmp_path)


def test_clean_folders(run, tmp_path):
    done = run('--classes', 'voc', '--json', 'report.json')
    assert done.returncode == 0, done.stdout + done.stderr
    assert '4 images, 3 seeds' in done.stdout and 'aeroplane' in done.stdout
    content = json.loads((tmp_path / 'report.json').read_text())
    assert content['images'] == 4 and content['errors'] == []
    # Seeds that lose a fifth of the foreground at random.
    assert 0.8 < content['agreement'][0][1] < 1


def test_advice(run, tmp_path):
    (tmp_path / 'seed0').joinpath(next((tmp_path / 'seed0').glob('*.png')).name).unlink()
    done = run('--advise', '--allow-missing', '--json', 'report.json')
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'How reliable each seed looks' in done.stdout and "rule='em'" in done.stdout
    advice = json.loads((tmp_path / 'report.json').read_text())['advice']
    # Seeds that only lose foreground: what they call an object is one.
    assert np.nanmin(np.array(advice['precision'], float)[1:, 1:]) > 0.9


def test_everything_wrong_is_told_at_once(run, voc_tree, tmp_path):
    ids = voc_tree.ids['train_aug']
    (tmp_path / f'seed0/{ids[0]}.png').unlink()
    (tmp_path / f'seed1/{ids[1]}.png').write_bytes(b'half a file')
    (tmp_path / f'seed2/{ids[2]}.png').write_bytes(OTHER_SIZE)
    (tmp_path / 'seed2/stranger.png').write_bytes(OTHER_SIZE)
    done = run()
    assert done.returncode == 1, done.stderr
    for text in (
        f'seed0: 1 missing, the first: seed0/{ids[0]}.png',
        'seed1: 1 cannot be read',
        f'seed2: 1 of another size than the image, the first: seed2/{ids[2]}.png is 9x7',
        'seed2: 1 maps belong to no image.',
    ):
        assert text in done.stdout
    (tmp_path / 'one.txt').write_text(f'\n{ids[3]}.jpg\n')
    done = run('--list', 'one.txt')
    assert done.returncode == 0 and '1 images, 3 seeds' in done.stdout


def test_an_image_may_lack_some_maps_but_not_all(run, voc_tree, tmp_path):
    ids = voc_tree.ids['train_aug']
    (tmp_path / 'images.txt').write_text('\n'.join(ids))
    options = ('--list', 'images.txt', '--allow-missing')
    (tmp_path / f'seed0/{ids[0]}.png').unlink()
    assert run(*options).returncode == 0
    for k in (1, 2):
        (tmp_path / f'seed{k}/{ids[0]}.png').unlink()
    done = run(*options)
    assert done.returncode == 1 and f'1 without any map, the first: {ids[0]}' in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--seed-suffix', '.tif'], 'seed0 holds no .tif file'),
        (['--images', 'seed1', '--image-suffix', '0.png'], 'no label map belongs'),
        (['--classes', 'flowers'], "no classes are known as 'flowers'"),
    ],
)
def test_mistakes_on_the_command_line(run, arguments, message):
    done = run(*arguments)
    assert done.returncode and message in done.stderr


@pytest.mark.parametrize('suffixes', [['_1stHO.png', '_2ndHO.png'], ['/mask-0.png', '/mask-1.png']])
def test_annotators_in_one_folder_or_in_a_folder_an_image(tool, tmp_path, suffixes):
    rng = np.random.default_rng(0)
    for image_id in ('Image 1', 'ü/Image_2'):
        for name in (f'images/{image_id}.jpg', *(f'maps/{image_id}{end}' for end in suffixes)):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 2, (7, 9), np.uint8)).save(path)
    arguments = ['--images', 'images', '--seed-suffix', *suffixes, '--workers', 0]
    done = tool('check_seeds.py', 'maps', *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '2 images, 2 seeds' in done.stdout and f'*{suffixes[1]}' in done.stdout
