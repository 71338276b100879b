import cv2
import numpy as np
import pytest

from mmws.files.image_file import BadInputError, read_image
from mmws.visualization.read_picture import read_picture

RAMP = np.broadcast_to(np.arange(40, dtype=np.float32), (24, 40))


def saved(path, array):
    assert cv2.imwrite(str(path), array)
    return path


def test_8_bits_are_read_as_the_networks_read_them(tmp_path):
    rng = np.random.default_rng(0)
    for bands in (1, 3, 4):
        path = saved(tmp_path / 'x.png', rng.integers(0, 256, (24, 40, bands), np.uint8))
        np.testing.assert_array_equal(read_picture(path), read_image(path))


@pytest.mark.parametrize('scale', [100, 0.01])
def test_more_bits_are_stretched(tmp_path, scale):
    """12 bits in a file of 16, and 32-bit floats, would be black otherwise."""
    array = (RAMP * scale).astype(np.uint16 if scale > 1 else np.float32)
    picture = read_picture(saved(tmp_path / 'x.tif', array))
    assert picture.shape == (24, 40, 3) and picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [0] * 3 and picture[0, -1].tolist() == [255] * 3
    assert 110 < picture[0, 20, 0] < 150


def test_of_many_bands_the_first_three_are_shown(monkeypatch):
    # OpenCV reads such files and writes none.
    bands = np.stack([RAMP * k for k in range(1, 7)], axis=2).astype(np.uint8)
    monkeypatch.setattr(f'{read_picture.__module__}.read_bands', lambda path: bands)
    np.testing.assert_array_equal(read_picture('x.tif'), bands[..., :3])


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / 'x.png').write_bytes(b'')
    with pytest.raises(BadInputError, match='x.png is an empty file'):
        read_picture(tmp_path / 'x.png')
