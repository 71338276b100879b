import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from mmws.seeds.cam import merge_cams, normalize_cam, upsample_cam


def test_normalize_takes_the_positive_part_over_its_maximum():
    cam = np.array([[[-2.0, 1.0], [4.0, 0.0]], [[0.5, 0.25], [-1.0, 0.5]]])
    expected = [[[0, 0.25], [1, 0]], [[1, 0.5], [0, 1]]]
    found = normalize_cam(cam)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float32


def test_a_class_without_positive_response_stays_zero():
    cam = np.stack([np.full((2, 3), -1.0), np.zeros((2, 3)), np.ones((2, 3))])
    found = normalize_cam(cam)
    assert not found[:2].any() and (found[2] == 1).all()


def test_a_vanishing_response_is_not_blown_up():
    assert normalize_cam(np.full((1, 1, 1), 1e-7)).item() == pytest.approx(1e-2)


def test_no_class_is_no_map():
    assert normalize_cam(np.zeros((0, 4, 5))).shape == (0, 4, 5)
    assert upsample_cam(np.zeros((0, 4, 5)), (8, 9)).shape == (0, 8, 9)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_finite(value):
    cam = np.zeros((2, 3, 3))
    cam[1, 2, 0] = value
    with pytest.raises(ValueError, match='1 of 18 CAM values are NaN or infinite'):
        normalize_cam(cam)


@pytest.mark.parametrize(
    'source, target',
    [((6, 8), (41, 57)), ((47, 63), (375, 500)), ((5, 7), (5, 7)), ((9, 9), (4, 5)),
     ((1, 3), (6, 6)), ((3, 1), (2, 5)), ((4, 4), (1, 1))],
)  # fmt: skip
def test_upsample_is_torch_s_with_aligned_corners(source, target):
    cam = np.random.default_rng(0).random((3, *source), np.float32)
    expected = interpolate(torch.from_numpy(cam)[None], target, mode='bilinear', align_corners=True)
    found = upsample_cam(cam, target)
    np.testing.assert_allclose(found, expected[0].numpy(), atol=2e-5)
    assert found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1


def test_merge():
    one = np.array([[[1.0, 0.0], [0.5, 0.2]]])
    other = np.array([[[0.0, 0.5], [1.0, 0.2]]])
    np.testing.assert_allclose(merge_cams([one, other], 'max'), [[[1, 0.5], [1, 0.2]]])
    mean = np.array([[[0.5, 0.25], [0.75, 0.2]]]) / 0.75
    np.testing.assert_allclose(merge_cams([one, other], 'mean'), mean, rtol=1e-6)
