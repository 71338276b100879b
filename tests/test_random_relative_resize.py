"""RandomRelativeResize: one factor for the image and its maps, relative to the image's own size."""

import numpy as np
import pytest

from mmws import RandomRelativeResize


def sample(height, width):
    labels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return dict(
        img=np.zeros((height, width, 3), np.uint8),
        gt_seg_map=labels,
        other=labels.astype(np.uint8),
        seg_fields=['gt_seg_map', 'other'],
    )


def test_every_image_is_scaled_relative_to_its_own_size():
    transform = RandomRelativeResize((0.5, 1.5))
    np.random.seed(0)
    factors = []
    for _ in range(300):
        for height, width in ((40, 60), (100, 80)):
            results = transform(sample(height, width))
            new_height, new_width = results['img'].shape[:2]
            assert results['gt_seg_map'].shape == results['other'].shape == (new_height, new_width)
            assert results['img_shape'] == (new_height, new_width)
            assert abs(new_height * width - new_width * height) <= max(height, width)
            factors.append(new_height / height)
    assert 0.5 <= min(factors) < 0.53 and 1.47 < max(factors) <= 1.5
    # Uniform: a third of the factors lies in each third of the range.
    thirds = np.histogram(factors, [0.5, 0.8334, 1.1667, 1.5001])[0] / len(factors)
    assert np.abs(thirds - 1 / 3).max() < 0.06


def test_labels_are_not_mixed():
    results = RandomRelativeResize((0.7, 0.7))(sample(10, 20))
    rows, columns = np.divmod(results['gt_seg_map'], 20)
    assert results['gt_seg_map'].shape == (7, 14)
    assert (rows == rows[:, :1]).all() and (columns == columns[:1]).all()
    assert (results['other'] == results['gt_seg_map'].astype(np.uint8)).all()


@pytest.mark.parametrize('host', ['mmseg', 'mmpretrain'])
def test_images_alone_in_both_hosts(host):
    if host == 'mmpretrain':
        import mmws.classification  # noqa: F401
    registry = __import__(f'{host}.registry').registry.TRANSFORMS
    transform = registry.build(dict(type=f'{host}.RandomRelativeResize', ratio_range=(0.5, 0.5)))
    results = transform(dict(img=np.zeros((375, 500, 3), np.uint8)))
    assert results['img'].shape == (188, 250, 3)
    assert results['img_shape'] == (188, 250) and results['scale_factor'] == (0.5, 188 / 375)


@pytest.mark.parametrize('ratio_range', [(0, 1), (1.5, 0.5), (-1, 1)])
def test_refuses_an_empty_range(ratio_range):
    with pytest.raises(ValueError, match='ratio_range must be 0 < low <= high; got'):
        RandomRelativeResize(ratio_range)
