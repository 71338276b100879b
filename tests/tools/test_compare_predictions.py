"""Draws folders of label maps side by side from the command line."""

import numpy as np
import pytest
from PIL import Image

PERSON, DOG = (192, 128, 128), (64, 0, 128)


@pytest.fixture
def run(tool, save, tmp_path):
    (tmp_path / 'images').mkdir()
    for image_id in 'xyz':
        Image.new('RGB', (60, 40), (9, 99, 200)).save(tmp_path / f'images/{image_id}.jpg')
        for folder, label in (('gt', 15), ('a', 12), ('b', 0)):
            if (folder, image_id) != ('b', 'y'):
                save(np.full((40, 60), label), f'{folder}/{image_id}.png')
    options = ['--images', 'images', '--out', 'out/sheet.png']
    return lambda *args: tool('compare_predictions.py', *args, *options, cwd=tmp_path)


@pytest.mark.parametrize(
    ('arguments', 'says', 'shown'),
    [
        (['one label=a', 'b', '--gt', 'gt'], '2 images, 4 columns', {PERSON, DOG}),  # b lacks y
        (['a', 'b'], '2 images, 3 columns', {DOG}),
        (['a', '--ids', 'y'], '1 images, 2 columns', {DOG}),
        (['b', '--limit', 1], '1 images, 2 columns', set()),
    ],
)
def test_every_folder_is_a_column(run, tmp_path, arguments, says, shown):
    done = run(*arguments)
    assert done.returncode == 0 and says in done.stdout, done.stderr
    sheet = np.asarray(Image.open(tmp_path / 'out/sheet.png'))
    assert {c for c in (PERSON, DOG) if (sheet == c).all(-1).mean() > 0.05} == shown


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['a', 'b', '--ids', 'y'], '1 of 1 images have no label map in b'),
        (['a', 'a'], 'Two folders are called \'a\'. Name them: "one title=a"'),
        (['missing'], 'missing is no folder'),
        (['a', '--classes', 'Nothing'], "no classes are known as 'Nothing'"),
    ],
)
def test_what_cannot_be_drawn(run, tmp_path, arguments, message):
    done = run(*arguments)
    assert done.returncode and message in done.stderr
    assert not (tmp_path / 'out').exists()
