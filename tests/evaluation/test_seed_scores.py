import numpy as np
import pytest

from mmws.evaluation.check import MapsOfImage
from mmws.evaluation.seed_scores import score_image
from mmws.seeds.cam_store import ImageCAMs


def test_an_image_s_files_are_counted(save, tmp_path):
    truth = save([[0, 1], [1, 255]], 'gt.png')
    seeds = save([[0, 1], [0, 1]], 'a.png'), save([[0, 1], [255, 0]], 'b.png')
    maps = {
        1.0: np.array([[[0.2, 1.0], [0.6, 0.0]]], np.float16),
        0.5: np.zeros((1, 2, 2), np.float16),
    }
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((0,), maps).encode())
    files = MapsOfImage('x', seeds, truth=truth, cams={'vgg16': str(tmp_path / 'c.npz')})
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


@pytest.mark.parametrize(
    ('truth', 'seed', 'cams', 'message'),
    [
        ('gt', 'wide', None, 'wide.png is 3x1, expected 2x2 .* another size than the ground truth'),
        ('gt', 'many', None, r'many.png holds 7, with labels outside 0..1 .*classes right \(2\)'),
        ('many', 'gt', None, 'many.png holds 7, outside 0..1 and 255'),
        ('gt', 'gone', None, 'gone.png, missing'),
        ('gt', 'gt', 'c', 'c.npz holds CAMs of the class 4.* last is 0'),
        ('gt', 'gt', 'd', 'd.npz .*empty'),
    ],
)
def test_bad_files_are_named(save, tmp_path, truth, seed, cams, message):
    save([[0, 1], [1, 255]], 'gt.png')
    save([[0, 1, 1]], 'wide.png')
    save([[0, 7], [0, 0]], 'many.png')
    (tmp_path / 'c.npz').write_bytes(ImageCAMs((4,), {1.0: np.ones((1, 2, 2))}).encode())
    (tmp_path / 'd.npz').write_bytes(b'')
    truth, seed = (str(tmp_path / f'{name}.png') for name in (truth, seed))
    cams = {'x': str(tmp_path / f'{cams}.npz')} if cams else {}
    with pytest.raises(ValueError, match=message):
        score_image(MapsOfImage('x', [seed], truth=truth, cams=cams), num_classes=2)
