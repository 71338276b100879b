import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

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
    assert f'1 images have no map at all, the first: {ids[0]}.' in done.stdout


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere'], 'nowhere is no folder'),
        (['seed0', '--seed-suffix', '.tif'], 'seed0 holds no .tif file'),
        (['seed0', '--images', 'seed1', '--image-suffix', '0.png'], 'no label map belongs'),
        (['seed0', '--classes', 'flowers'], "no classes are known as 'flowers'"),
        (['seed0', '--limit', '0'], '--limit is a number of images'),
    ],
)
def test_mistakes_on_the_command_line(folders, monkeypatch, capsys, arguments, message):
    path = Path(__file__).resolve().parents[2] / 'tools/check_seeds.py'
    spec = importlib.util.spec_from_file_location('check_seeds', path)
    check_seeds = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_seeds)
    monkeypatch.chdir(folders[0].parent)
    monkeypatch.setattr(sys, 'argv', ['check_seeds.py', *arguments])
    with pytest.raises(SystemExit) as stop:
        check_seeds.main()
    assert stop.value.code not in (0, None)
    assert message in f'{stop.value.code}{capsys.readouterr().err}'
