import numpy as np
import pytest

from mmws.evaluation.seed_evaluation import (
    FilesOfImage,
    count_agreement,
    evaluate_image,
    least_agreement,
)
from mmws.files.label_map import encode_label_map
from mmws.seeds.cam_store import ImageCAMs


def write(path, rows):
    path.write_bytes(encode_label_map(np.array(rows, np.uint8)))
    return str(path)


def test_agreement_counts_pixels_that_both_label():
    seeds = np.array([[[0, 1, 255, 2]], [[0, 2, 1, 255]], [[255, 255, 255, 2]]], np.uint8)
    equal, known = count_agreement(seeds)
    np.testing.assert_array_equal(known, [[3, 2, 1], [2, 3, 0], [1, 0, 1]])
    np.testing.assert_array_equal(equal, [[3, 1, 1], [1, 3, 0], [1, 0, 1]])


def test_an_image_s_files_are_counted(tmp_path):
    truth = write(tmp_path / 'gt.png', [[0, 1], [1, 255]])
    one = write(tmp_path / 'a.png', [[0, 1], [0, 1]])
    other = write(tmp_path / 'b.png', [[0, 1], [255, 0]])
    maps = {1.0: np.array([[[0.2, 1.0], [0.6, 0.0]]], np.float16)}
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((0,), maps).encode())
    files = FilesOfImage(truth, (one, other), {'vgg16': str(tmp_path / 'c.npz')})
    found = evaluate_image(files, num_classes=2, thresholds=(0.5, 0.8))
    assert found.scores.pixels == 3 and found.scores.disputed == 0
    np.testing.assert_array_equal(found.scores.confusion[0], [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found.scores.confusion[1], [[1, 0, 0], [0, 1, 1]])
    np.testing.assert_array_equal(found.known, [[4, 3], [3, 3]])
    np.testing.assert_array_equal(found.equal, [[4, 2], [2, 3]])
    expected = [[[1, 0, 0], [0, 2, 0]], [[1, 0, 0], [1, 1, 0]]]
    np.testing.assert_array_equal(found.sweep['vgg16'][1.0], expected)


def test_bad_files_are_named(tmp_path):
    truth = write(tmp_path / 'gt.png', [[0, 1], [1, 255]])
    wide = write(tmp_path / 'wide.png', [[0, 1, 1]])
    with pytest.raises(ValueError, match=r'wide.png is \(1, 3\).*gt.png \(2, 2\)'):
        evaluate_image(FilesOfImage(truth, (wide,), {}), num_classes=2, thresholds=())
    many = write(tmp_path / 'many.png', [[0, 7], [0, 0]])
    with pytest.raises(
        ValueError, match='many.png holds the label 7; with 2 classes.* labels are 0..1'
    ):
        evaluate_image(FilesOfImage(truth, (many,), {}), num_classes=2, thresholds=())
    with pytest.raises(ValueError, match='many.png holds the label 7'):
        evaluate_image(
            FilesOfImage(str(tmp_path / 'many.png'), (truth,), {}), num_classes=2, thresholds=()
        )
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((4,), {1.0: np.ones((1, 2, 2))}).encode())
    files = FilesOfImage(truth, (truth,), {'vgg16': str(tmp_path / 'c.npz')})
    with pytest.raises(ValueError, match='c.npz: the seed holds label 5'):
        evaluate_image(files, num_classes=2, thresholds=(0.5,))


def test_the_least_agreement_is_of_two_different_seeds():
    agreement = np.array([[0.1, 0.9, 0.8], [0.9, 1, np.nan], [0.8, np.nan, 1]])
    assert least_agreement(agreement) == (0, 2, 0.8)
    assert least_agreement(np.ones((3, 3))) == (0, 1, 1)
    assert least_agreement(np.array([[1, np.nan], [np.nan, 1]])) is None
    assert least_agreement(np.ones((1, 1))) is None
