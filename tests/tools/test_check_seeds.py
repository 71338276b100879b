import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import encode_label_map


@pytest.fixture
def folders(voc_tree, tmp_path):
    """The tree's three seed folders, copied."""
    return [
        shutil.copytree(voc_tree.seed_root / name, tmp_path / name) for name in voc_tree.seed_names
    ]


def test_clean_folders(tool, folders, voc_tree, tmp_path):
    done = tool(
        'check_seeds.py',
        *folders,
        '--images',
        voc_tree.root / 'JPEGImages',
        '--classes',
        'voc',
        '--json',
        tmp_path / 'report.json',
        '--workers',
        0,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '4 images, 3 seeds' in done.stdout and 'aeroplane' in done.stdout
    content = json.loads((tmp_path / 'report.json').read_text())
    assert content['images'] == 4 and content['errors'] == []
    # Seeds that lose a fifth of the foreground at random.
    assert 0.8 < content['agreement'][0][1] < 1


def test_everything_wrong_is_told_at_once(tool, folders, voc_tree, tmp_path):
    ids = voc_tree.ids['train_aug']
    (folders[0] / f'{ids[0]}.png').unlink()
    (folders[1] / f'{ids[1]}.png').write_bytes(b'half a file')
    (folders[2] / f'{ids[2]}.png').write_bytes(encode_label_map(np.zeros((7, 9), np.uint8)))
    (folders[2] / 'stranger.png').write_bytes(encode_label_map(np.zeros((7, 9), np.uint8)))
    arguments = [*folders, '--images', voc_tree.root / 'JPEGImages', '--workers', 0]
    done = tool('check_seeds.py', *arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert f'seed0: 1 missing, the first: {folders[0] / ids[0]}.png' in done.stdout
    assert 'seed1: 1 cannot be read' in done.stdout
    assert 'seed2: 1 of another size than the image' in done.stdout and '9x7' in done.stdout
    assert 'seed2: 1 maps belong to no image.' in done.stdout

    one = tmp_path / 'one.txt'
    one.write_text(f'{ids[3]}\n')
    done = tool('check_seeds.py', *arguments, '--list', one, cwd=tmp_path)
    assert done.returncode == 0 and '1 images, 3 seeds' in done.stdout


def test_an_image_may_lack_some_maps_but_not_all(tool, folders, voc_tree, tmp_path):
    ids = voc_tree.ids['train_aug']
    (folders[0] / f'{ids[0]}.png').unlink()
    arguments = [*folders, '--images', voc_tree.root / 'JPEGImages', '--workers', 0]
    images = tmp_path / 'images.txt'
    images.write_text('\n'.join(ids))
    arguments += ['--list', images, '--allow-missing']
    assert tool('check_seeds.py', *arguments, cwd=tmp_path).returncode == 0
    for folder in folders[1:]:
        (folder / f'{ids[0]}.png').unlink()
    done = tool('check_seeds.py', *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert f'1 without any map, the first: {ids[0]}' in done.stdout


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere'], 'seed folder nowhere does not exist'),
        (['seed0', '--seed-suffix', '.tif'], 'seed0 holds no .tif file'),
        (['seed0', '--images', 'seed1', '--image-suffix', '0.png'], 'no label map belongs'),
        (['seed0', '--classes', 'flowers'], "no classes are known as 'flowers'"),
        (['seed0', '--classes', '300'], 'there are 1 to 255 classes; got 300'),
        (['seed0', '--limit', '0'], '--limit is a number of images'),
    ],
)
def test_mistakes_on_the_command_line(tool, folders, arguments, message):
    done = tool('check_seeds.py', *arguments, cwd=folders[0].parent)
    assert done.returncode and message in done.stderr


@pytest.mark.parametrize(
    ('folder', 'suffixes'),
    [('maps', ['_1stHO.png', '_2ndHO.png']), ('cases', ['/mask-0.png', '/mask-1.png'])],
)
def test_annotators_in_one_folder_or_in_a_folder_an_image(tool, tmp_path, folder, suffixes):
    rng = np.random.default_rng(0)
    for image_id in ('Image 1', 'ü/Image_2'):
        image = tmp_path / f'images/{image_id}.jpg'
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (9, 7)).save(image)
        for suffix in suffixes:
            path = tmp_path / f'{folder}/{image_id}{suffix}'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_label_map(rng.integers(0, 2, (7, 9), np.uint8)))
    arguments = ['--images', 'images', '--seed-suffix', *suffixes, '--workers', 0]
    done = tool('check_seeds.py', folder, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '2 images, 2 seeds' in done.stdout and f'*{suffixes[1]}' in done.stdout
