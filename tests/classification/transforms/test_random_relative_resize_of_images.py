"""Resizing by a factor of the image's own size."""

import numpy as np
import pytest
from mmpretrain.registry import TRANSFORMS

from mmws.classification import RandomRelativeResize


def test_size_follows_the_factor():
    image = np.zeros((375, 500, 3), np.uint8)
    results = RandomRelativeResize((0.5, 0.5))(dict(img=image))
    assert results['img'].shape == (188, 250, 3)
    assert results['img_shape'] == (188, 250)
    assert results['scale_factor'] == (0.5, 188 / 375)


def test_factors_fill_the_range_whatever_the_size():
    np.random.seed(0)
    transform = RandomRelativeResize((0.5, 1.5))
    for size in (20, 200):
        image = np.zeros((size, size, 3), np.uint8)
        found = [transform(dict(img=image))['img'].shape[0] / size for _ in range(400)]
        assert 0.5 <= min(found) < 0.55 and 1.45 < max(found) <= 1.5
        assert np.mean(found) == pytest.approx(1.0, abs=0.05)


def test_a_line_keeps_a_pixel():
    results = RandomRelativeResize((0.1, 0.1))(dict(img=np.zeros((1, 30, 3), np.uint8)))
    assert results['img'].shape == (1, 3, 3)


@pytest.mark.parametrize('ratio_range', [(0, 1), (1.5, 0.5), (-1, 1)])
def test_impossible_range(ratio_range):
    with pytest.raises(ValueError, match='0 < low <= high; got'):
        RandomRelativeResize(ratio_range)


def test_is_built_by_name():
    transform = TRANSFORMS.build(dict(type='mmpretrain.RandomRelativeResize'))
    assert repr(transform) == (
        "RandomRelativeResize(ratio_range=(0.5, 1.5), interpolation='bilinear')"
    )
