import numpy as np
import pytest

from mmws.seeds.seed import crf_seeds, label_ids, saliency_from_cam, threshold_seed

# Every branch of the threshold rule. Two classes, 4 (label 5) and 11 (label 12).
FIRST = np.array(
    [
        [0.90, 0.90, 0.11, 0.10, 0.00],
        [0.50, 0.20, 0.50, 0.10, 0.05],
        [0.00, 0.30, 0.00, 0.00, 0.00],
        [1.00, 0.00, 0.00, 0.10, 0.00],
        [0.00, 0.00, 0.60, 0.09, 0.00],
    ],
    np.float32,
)
SECOND = np.array(
    [
        [0.00, 0.95, 0.00, 0.00, 0.00],
        [0.50, 0.80, 0.40, 0.10, 0.09],
        [0.70, 0.30, 0.00, 0.00, 0.00],
        [0.00, 1.00, 0.10, 0.00, 0.00],
        [0.00, 0.10, 0.70, 0.09, 0.00],
    ],
    np.float32,
)
SALIENCY = np.array(
    [
        [255, 255, 200, 16, 15],
        [99, 99, 15, 99, 0],
        [16, 16, 0, 15, 16],
        [15, 0, 15, 16, 255],
        [0, 16, 255, 15, 0],
    ],
    np.uint8,
)
EXPECTED = np.array(
    [
        # both classes: the higher; CAM of exactly 0.1 is none; saliency 15 is background
        [5, 12, 5, 255, 0],
        # a tie goes to the first class; 15 with CAM 0.5 is a conflict; neither; background
        [5, 12, 255, 255, 0],
        # 16 is no background; conflict-free background; neither
        [12, 5, 0, 0, 255],
        # conflicts of either class with background
        [255, 255, 0, 255, 255],
        [0, 255, 12, 0, 0],
    ],
    np.uint8,
)


def test_threshold_by_hand():
    seed = threshold_seed(np.stack([FIRST, SECOND]), SALIENCY, [4, 11])
    np.testing.assert_array_equal(seed, EXPECTED)
    assert seed.dtype == np.uint8


def test_without_any_class_all_is_background():
    assert threshold_seed(np.zeros((0, 5, 5)), SALIENCY, []).tolist() == [[0] * 5] * 5


def test_the_thresholds_are_arguments():
    saliency = np.minimum(SALIENCY, 254)
    seed = threshold_seed(FIRST[None], saliency, [0], foreground=0.55, background=0.999)
    np.testing.assert_array_equal(seed, np.where(FIRST > 0.55, 255, 0))


@pytest.mark.parametrize('value', [10, 1.0, -0.1, float('nan'), float('inf'), True, '0.1'])
@pytest.mark.parametrize('name', ['foreground', 'background'])
def test_thresholds_are_shares(name, value):
    with pytest.raises(ValueError, match=f'{name} must be a share, .* 0 and below 1 .*got'):
        threshold_seed(FIRST[None], SALIENCY, [0], **{name: value})


def test_sparse_fallback_rescues_what_saliency_misses():
    cam = np.zeros((1, 20, 20), np.float32)
    cam[0, 5:15, 5:15] = 0.05
    cam[0, 8:12, 8:12] = 0.9
    saliency = np.zeros((20, 20), np.uint8)
    saliency[0, :3] = 200  # 3 of 400 pixels: less than 1%
    literal = threshold_seed(cam, saliency, [2])
    np.testing.assert_array_equal(literal[8:12, 8:12], 255)
    rescued = threshold_seed(cam, saliency, [2], sparse_fallback=True)
    assert (rescued[8:12, 8:12] == 3).all()
    assert (rescued[5:15, 5:8] == 255).all()  # some CAM: not sure to be background
    assert (rescued[16:] == 0).all() and (rescued[0, :3] == 255).all()
    # Four pixels are 1%, not less: the fallback does not act.
    saliency[0, 3] = 200
    again = threshold_seed(cam, saliency, [2], sparse_fallback=True)
    np.testing.assert_array_equal(again, threshold_seed(cam, saliency, [2]))


def test_saliency_from_cam_is_the_complement_of_the_background_score():
    cam = np.stack([FIRST, SECOND])
    found = saliency_from_cam(cam, 4)
    np.testing.assert_allclose(found, 1 - (1 - np.maximum(FIRST, SECOND)) ** 4, rtol=1e-6)


@pytest.mark.parametrize('ids', [[-1], [254], [3, 3]])
def test_bad_class_ids(ids):
    with pytest.raises(ValueError, match='distinct and lie in'):
        label_ids(ids)


def test_crf_seeds_hold_background_and_the_present_classes():
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, 20:] = (0, 200, 0)
    image[15:, 20:] = (0, 0, 200)
    cams = np.full((2, 2, 30, 40), 0.02, np.float32)
    cams[:, 0, 2:13, 23:38] = 0.9
    cams[:, 1, 17:28, 23:38] = 0.9
    cams[1, 1] = 0  # the second set does not see the second class
    saliency = np.zeros((30, 40), np.uint8)
    saliency[:, 20:] = 230
    seeds = crf_seeds(image, cams, saliency, [4, 11])
    expected = np.zeros((30, 40), np.uint8)
    expected[:15, 20:] = 5
    expected[15:, 20:] = 12
    assert seeds.dtype == np.uint8
    np.testing.assert_array_equal(seeds[0], expected)
    assert set(np.unique(seeds[1])) == {0, 5}
    # One saliency map a set is the same as one for all.
    both = crf_seeds(image, cams, np.stack([saliency, saliency]), [4, 11])
    np.testing.assert_array_equal(both, seeds)


@pytest.mark.parametrize(
    'cam, saliency, message',
    [
        (np.zeros((2, 5, 5)), np.zeros((5, 5), np.uint8), 'each of the 1 present classes'),
        (
            np.zeros((1, 5, 5)),
            np.zeros((5, 6), np.uint8),
            r'is \(5, 6\) and the CAMs are \(1, 5, 5\)',
        ),
        (np.zeros((1, 5, 5)), np.full((5, 5), 15.0), 'Give 8-bit maps as uint8'),
        (np.zeros((1, 5, 5)), np.full((5, 5), np.nan), r'lie in \[0, 1\]'),
        (np.zeros((1, 5, 5)), np.zeros((5, 5, 3), np.uint8), r'must be \(H, W\)'),
    ],
)
def test_bad_input(cam, saliency, message):
    with pytest.raises(ValueError, match=message):
        threshold_seed(cam, saliency, [3])
    with pytest.raises(ValueError):
        crf_seeds(np.zeros((5, 5, 3), np.uint8), cam[None], saliency, [3])
