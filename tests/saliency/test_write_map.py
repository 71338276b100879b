import io

import mmcv
import numpy as np
import pytest
from PIL import Image

from mmws.saliency.write_map import (
    MapJob,
    encode_map,
    refine_saliency,
    shrink,
    write_map,
)

# A picture whose four quarters differ, 24 x 40.
QUARTERS = np.zeros((24, 40, 3), np.uint8)
QUARTERS[:12, :20] = (200, 40, 40)
QUARTERS[:12, 20:] = (40, 180, 60)
QUARTERS[12:, :20] = (30, 60, 200)
QUARTERS[12:, 20:] = (230, 230, 90)


def test_map_is_8_bit_grey():
    with Image.open(io.BytesIO(encode_map(np.array([[0.0, 0.5, 1.0]])))) as image:
        assert (image.mode, image.size) == ('L', (3, 1))
        assert np.asarray(image).tolist() == [[0, 128, 255]]


def test_writes_without_and_with_crf(tmp_path):
    saliency = np.full((24, 40), 0.2, np.float32)
    saliency[2:11, 2:17] = 0.9  # most of one quarter
    image = mmcv.rgb2bgr(QUARTERS)
    assert not write_map(MapJob(saliency, str(tmp_path / 'sub/plain.png')))
    write_map(MapJob(saliency, str(tmp_path / 'crf.png'), image, dict(iterations=5)))
    plain, refined = (
        np.asarray(Image.open(tmp_path / name)) for name in ('sub/plain.png', 'crf.png')
    )
    assert (plain == np.rint(saliency * 255)).all()
    expected = refine_saliency(QUARTERS, saliency, iterations=5)
    assert (refined == np.rint(expected * 255)).all()
    # The quarter is one colour: the CRF fills it, and leaves the others.
    assert refined[:11, :18].min() > 128 > refined[13:].max()
    assert write_map(MapJob(np.zeros((2, 2), np.float32), tmp_path / 'flat.png'))


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_what_is_not_finite_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match='must be finite to be written'):
        write_map(MapJob(np.array([[0.5, value]], np.float32), str(tmp_path / 'a.png')))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('size', 'longest', 'expected'),
    [
        ((30, 60), None, (30, 60)),
        ((30, 60), 60, (30, 60)),
        ((30, 60), 20, (10, 20)),
        ((1, 90), 9, (1, 9)),
    ],
)
def test_shrink(size, longest, expected):
    assert shrink(np.zeros((*size, 3), np.uint8), longest).shape[:2] == expected
