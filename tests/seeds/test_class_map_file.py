import os

import numpy as np
import pytest

from mmws.seeds.class_map_file import label_pixels, read_class_maps

H, W = 30, 40
ONE, OTHER = np.zeros((2, H, W), np.float32)
ONE[2:10, 3:12] = 0.9
OTHER[15:25, 20:35] = 0.8
LABELS = np.where(ONE > 0, 1, np.where(OTHER > 0, 15, 0))  # class indices 0 and 14
MAPS = np.stack([ONE, OTHER])


@pytest.fixture
def write(tmp_path):
    def save(content):
        np.save(tmp_path / 'x.npy', content, allow_pickle=True)
        return tmp_path / 'x.npy'

    return save


def label(path, **options):
    return label_pixels(read_class_maps(path), (H, W), **options)


@pytest.mark.parametrize(
    'content',
    [
        {np.int64(0): ONE.astype(np.float16), np.int64(14): OTHER.astype(np.float64)},
        {14: OTHER.tolist(), 0: ONE.tolist()},
        {'keys': np.array([0, 1, 15]), 'high_res': MAPS},
    ],
    ids=['scalars', 'lists', 'irn with background'],
)
@pytest.mark.parametrize('rule', [{}, {'alpha': 4}])
def test_forms_give_the_same_labels(write, content, rule):
    np.testing.assert_array_equal(label(write(content), **rule), LABELS)


def test_no_class_is_all_background(write):
    for content in ({}, {'keys': np.zeros(0, int), 'high_res': np.zeros((0, H, W))}):
        found = label(write(content))
        assert found.shape == (H, W) and not found.any() and found.dtype == np.uint8


def test_small_maps_are_enlarged_and_other_proportions_refused(write):
    found = label(write({14: OTHER[::4, ::4]}))
    assert found.shape == LABELS.shape and (found == np.where(OTHER > 0, 15, 0)).mean() > 0.9
    with pytest.raises(ValueError, match=r'the maps are 30x40 and the image is 40x30'):
        label(write({14: OTHER.T}))


class Evil:
    def __reduce__(self):
        return os.mkdir, ('made',)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({0: Evil()}, 'mkdir is in it, and only arrays'),
        (np.zeros((20, 5)), r'holds an array \(20, 5\) of float64; expected floats'),
        (np.zeros((20, 5, 5), int), 'of int64; expected floats'),
        (np.zeros((256, 5, 5)), 'at most 255 labels'),
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
        label(write(content))
    assert not (tmp_path / 'made').exists()


def test_255_labels_fit(write):
    scores = np.zeros((255, H, W), np.float32)
    scores[254] = 1
    assert (label(write(scores)) == 254).all()


@pytest.mark.parametrize('content', [b'', b'version https://git-lfs.', b'x', b'\x93NUMPY'])
def test_no_numpy_file(tmp_path, content):
    (tmp_path / 'x.npy').write_bytes(content)
    with pytest.raises(ValueError, match=r'the file .*x\.npy (is|cannot be read)'):
        read_class_maps(tmp_path / 'x.npy')


def test_archives_are_read_and_run_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logits = np.zeros((4, 6, 8), np.float16)
    logits[2] = 3
    np.savez('one.npz', logits)
    np.savez_compressed('two.npz', keys=np.array([6]), high_res=ONE[None])
    np.savez('evil.npz', np.array({0: Evil()}, object))
    assert (label_pixels(read_class_maps('one.npz')) == 2).all()
    assert read_class_maps('two.npz').labels.tolist() == [7]
    with pytest.raises(ValueError, match='mkdir is in it, and only arrays'):
        read_class_maps('evil.npz')
    assert not (tmp_path / 'made').exists()


def test_confidence_is_the_share_of_all_scores(tmp_path):
    path = tmp_path / 'x.npy'
    # Shares of .4 / (.4 + .25), 1 / 1.25 and, for the background, 1.
    np.save(path, {0: np.array([[0.4, 1, 0]])})
    for least, row in {0.6: [1, 1, 0], 0.7: [255, 1, 0], 0.9: [255, 255, 0]}.items():
        assert label_pixels(read_class_maps(path), ignore_below=least).tolist() == [row]
    # A softmax of 0 and log 3 gives 1/4 and 3/4.
    np.save(path, np.log([[[1, 1]], [[3, 9]]]))
    assert label_pixels(read_class_maps(path), ignore_below=0.8).tolist() == [[255, 1]]
    np.save(path, np.array([[[0.3, 0.1]], [[0.7, 0.9]]]))
    assert label_pixels(read_class_maps(path), ignore_below=0.8).tolist() == [[255, 1]]


def test_channels_last_are_refused_unless_the_image_says_otherwise(tmp_path):
    path = tmp_path / 'x.npy'
    np.save(path, np.zeros((30, 40, 21), np.float32))
    with pytest.raises(
        ValueError, match=r'\(30, 40, 21\): \(H, W, C\), it seems. Save np.moveaxis'
    ):
        label_pixels(read_class_maps(path))
    with pytest.raises(ValueError, match='other proportions. .* or .H, W, C.'):
        label_pixels(read_class_maps(path), (30, 40))
    assert label_pixels(read_class_maps(path), (80, 42)).shape == (80, 42)
