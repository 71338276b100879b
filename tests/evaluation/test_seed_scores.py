import numpy as np
import pytest

from mmws.evaluation.seed_scores import FilesOfImage, score_image
from mmws.files.label_map import encode_label_map
from mmws.seeds.cam_store import ImageCAMs


def write(path, rows):
    path.write_bytes(encode_label_map(np.array(rows, np.uint8)))
    return str(path)


def test_an_image_s_files_are_counted(tmp_path):
    truth = write(tmp_path / 'gt.png', [[0, 1], [1, 255]])
    one = write(tmp_path / 'a.png', [[0, 1], [0, 1]])
    other = write(tmp_path / 'b.png', [[0, 1], [255, 0]])
    maps = {
        1.0: np.array([[[0.2, 1.0], [0.6, 0.0]]], np.float16),
        0.5: np.zeros((1, 2, 2), np.float16),
    }
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((0,), maps).encode())
    files = FilesOfImage(truth, (one, other), {'vgg16': str(tmp_path / 'c.npz')})
    found, sweep = score_image(files, num_classes=2, thresholds=(0.5, 0.8))
    assert found.pixels == 3 and found.disputed == 0
    np.testing.assert_array_equal(found.confusion[0], [[1, 0, 0], [1, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(found.confusion[1], [[1, 0, 0], [0, 1, 1], [1, 0, 0]])
    np.testing.assert_array_equal(found.known, [[4, 3], [3, 3]])
    np.testing.assert_array_equal(found.same, [[4, 2], [2, 3]])
    # The CAM of class 0 is label 1, and what is not above the threshold is background.
    by_hand = [[[1, 0, 0], [0, 2, 0], [1, 0, 0]], [[1, 0, 0], [1, 1, 0], [1, 0, 0]]]
    np.testing.assert_array_equal(sweep['vgg16', 1.0], by_hand)
    np.testing.assert_array_equal(sweep['vgg16', 0.5][1], [[1, 0, 0], [2, 0, 0], [1, 0, 0]])


def test_bad_files_are_named(tmp_path):
    truth = write(tmp_path / 'gt.png', [[0, 1], [1, 255]])
    wide = write(tmp_path / 'wide.png', [[0, 1, 1]])
    many = write(tmp_path / 'many.png', [[0, 7], [0, 0]])
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((4,), {1.0: np.ones((1, 2, 2))}).encode())
    (tmp_path / 'd.npz').write_bytes(b'')
    for files, message in (
        ((truth, (wide,), {}), r'wide.png is \(1, 3\).*gt.png \(2, 2\)'),
        ((truth, (many,), {}), 'many.png holds the label 7; with 2 classes.* labels are 0..1'),
        ((many, (truth,), {}), 'many.png holds the label 7'),
        (
            (truth, (truth,), {'x': str(tmp_path / 'c.npz')}),
            'c.npz hold the class 4.* last is 0',
        ),
        ((truth, (truth,), {'x': str(tmp_path / 'd.npz')}), 'd.npz .*empty'),
    ):
        with pytest.raises(ValueError, match=message):
            score_image(FilesOfImage(*files), num_classes=2, thresholds=(0.5,))
