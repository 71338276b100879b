"""Draws folders of label maps side by side from the command line."""

import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import encode_label_map


@pytest.fixture
def folders(tmp_path):
    for folder in ('images', 'gt', 'a', 'b'):
        (tmp_path / folder).mkdir()
    for image_id in ('x', 'y', 'z'):
        Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / f'images/{image_id}.jpg')
        for folder, label in (('gt', 15), ('a', 12), ('b', 0)):
            if (folder, image_id) != ('b', 'y'):
                seed = encode_label_map(np.full((40, 60), label, np.uint8))
                (tmp_path / folder / f'{image_id}.png').write_bytes(seed)
    return tmp_path


def share(path, colour):
    return (np.asarray(Image.open(path)) == colour).all(-1).mean()


def test_every_folder_is_a_column(tool, folders):
    options = ['--images', 'images', '--out', 'out/sheet.png']
    done = tool('compare_predictions.py', 'one label=a', 'b', *options, '--gt', 'gt', cwd=folders)
    assert done.returncode == 0, done.stderr
    assert '2 images, 4 columns' in done.stdout  # y has no map in b
    person, dog = (192, 128, 128), (64, 0, 128)
    assert share(folders / 'out/sheet.png', person) > 0.05
    assert share(folders / 'out/sheet.png', dog) > 0.05
    done = tool('compare_predictions.py', 'a', 'b', *options, cwd=folders)
    assert '2 images, 3 columns' in done.stdout
    assert share(folders / 'out/sheet.png', person) == 0


def test_ids_and_limit(tool, folders):
    options = ['--images', 'images', '--out', 'sheet.png']
    done = tool('compare_predictions.py', 'a', *options, '--ids', 'y', cwd=folders)
    assert '1 images, 2 columns' in done.stdout
    done = tool('compare_predictions.py', 'a', *options, '--limit', 2, cwd=folders)
    assert '2 images, 2 columns' in done.stdout


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a', 'b', '--ids', 'y'], '1 of 1 images have no label map in b'),
        (['a', 'a'], "Two folders are called 'a'"),
        (['missing'], 'missing is no folder'),
        (['a', '--classes', 'Nothing'], "no classes are known as 'Nothing'"),
    ],
)
def test_what_cannot_be_drawn(tool, folders, arguments, message):
    options = ['--images', 'images', '--out', 'sheet.png']
    done = tool('compare_predictions.py', *arguments, *options, cwd=folders)
    assert done.returncode and message in done.stderr
    assert not (folders / 'sheet.png').exists()
