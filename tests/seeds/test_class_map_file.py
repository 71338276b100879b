import os

import numpy as np
import pytest
from PIL import Image

from mmws.seeds.class_map_file import labels_of_class_maps, read_class_maps

H, W = 30, 40
ONE, OTHER = np.zeros((2, H, W), np.float32)
ONE[2:10, 3:12] = 0.9
OTHER[15:25, 20:35] = 0.8
LABELS = np.where(ONE > 0, 1, np.where(OTHER > 0, 15, 0))  # class indices 0 and 14
REST = 1 - np.maximum(ONE, OTHER)
TOTAL = REST + ONE + OTHER
MAPS = np.stack([ONE, OTHER])


@pytest.fixture
def write(tmp_path):
    Image.new('RGB', (W, H)).save(tmp_path / 'x.jpg')

    def save(content):
        np.save(tmp_path / 'x.npy', content, allow_pickle=True)
        return tmp_path / 'x.npy', tmp_path / 'x.jpg'

    return save


@pytest.mark.parametrize(
    'content',
    [
        {0: ONE, 14: OTHER},
        {'0': ONE, '14': OTHER},
        {np.int64(0): ONE.astype(np.float16), np.int64(14): OTHER.astype(np.float64)},
        {14: OTHER.tolist(), 0: ONE.tolist()},
        {'keys': np.array([0, 14]), 'cam': MAPS[:, ::4, ::4], 'high_res': MAPS},
        {'keys': np.array([0, 1, 15]), 'high_res': MAPS},
        {0: REST / TOTAL, 1: ONE / TOTAL, 15: OTHER / TOTAL},
    ],
    ids=['plain', 'text', 'scalars', 'lists', 'irn', 'irn with background', 'refined'],
)
@pytest.mark.parametrize('rule', [{}, {'alpha': 4}])
def test_every_form_gives_the_same_labels(write, content, rule):
    np.testing.assert_array_equal(labels_of_class_maps(*write(content), **rule), LABELS)


def test_no_class_is_all_background(write):
    for content in ({}, {'keys': np.zeros(0, int), 'high_res': np.zeros((0, H, W))}):
        found = labels_of_class_maps(*write(content))
        assert found.shape == (H, W) and not found.any() and found.dtype == np.uint8


def test_small_maps_are_enlarged_and_other_proportions_refused(write):
    found = labels_of_class_maps(*write({14: OTHER[::4, ::4]}))
    assert found.shape == LABELS.shape and (found == np.where(OTHER > 0, 15, 0)).mean() > 0.9
    with pytest.raises(ValueError, match=r'are 30x40 and the image .*x.jpg is 40x30'):
        labels_of_class_maps(*write({14: OTHER.T}))
    path, image = write({14: OTHER})
    image.unlink()
    with pytest.raises(ValueError, match='need the size of their image: image .*x.jpg is missing'):
        labels_of_class_maps(path, image)


class Evil:
    def __reduce__(self):
        return os.mkdir, ('made',)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({0: Evil()}, 'mkdir is in it, and only arrays'),
        (np.zeros((20, 5, 5)), r'holds an array \(20, 5, 5\), no dictionary'),
        ({'cat': ONE}, "no maps of one size by class index .*keys are 'cat'"),
        ({0: ONE, 1: ONE[:4]}, 'no maps of one size'),
        ({0: ONE[0]}, r'are \(1, 40\) for 1 classes'),
        ({'keys': [0], 'maps': ONE}, 'have keys but none of high_res'),
        ({0: ONE * np.nan}, 'not finite'),
        ({-1: ONE}, r'have the classes \[-1\]'),
        ({254: ONE}, '253 is the last'),
        ({0: ONE * 9}, 'reach from 0 to 8.1. Normalise'),
    ],
)
def test_refused_and_no_code_is_run(write, monkeypatch, tmp_path, content, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        labels_of_class_maps(*write(content))
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize('content', [b'', b'version https://git-lfs.', b'x', b'\x93NUMPY'])
def test_no_numpy_file(tmp_path, content):
    (tmp_path / 'x.npy').write_bytes(content)
    with pytest.raises(ValueError, match=r'file of class maps .*x\.npy (is|cannot be read)'):
        read_class_maps(tmp_path / 'x.npy')
