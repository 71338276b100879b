import numpy as np
import pytest

from mmws.seeds.noise import add_block_noise, noise_generator


@pytest.fixture
def labels():
    labels = np.zeros((120, 160), np.uint8)
    labels[20:100, 30:90] = 5
    labels[40:80, 100:150] = 12
    labels[18:20] = 255
    return labels


def draw(labels, ratio, number=0, **options):
    return add_block_noise(labels, ratio, noise_generator('a', ratio, number), **options)


@pytest.mark.parametrize('ratio', [0.0, 0.1, 0.3, 0.9, 1.0])
def test_the_ratio_of_foreground_becomes_background_and_nothing_else_changes(labels, ratio):
    noisy = draw(labels, ratio)
    foreground = (labels == 5) | (labels == 12)
    changed = noisy != labels
    assert (noisy[changed] == 0).all() and not changed[~foreground].any()
    # The last block ends with the row in which the ratio is met: at most one row too many.
    excess = changed.sum() - round(ratio * foreground.sum())
    assert 0 <= excess <= 64
    assert labels.sum() > 0 and noisy is not labels


def test_both_ways_as_much_background_gets_a_class_of_the_image(labels):
    noisy, one_way = (draw(labels, 0.3, both_ways=both) for both in (True, False))
    foreground = (labels == 5) | (labels == 12)
    np.testing.assert_array_equal(noisy[foreground], one_way[foreground])
    added = (noisy != labels) & ~foreground
    assert abs(added.sum() - round(0.3 * foreground.sum())) <= 64
    assert set(np.unique(noisy[added])) == {5, 12} and (noisy[labels == 255] == 255).all()


def test_draws_are_reproducible_and_independent(labels):
    np.testing.assert_array_equal(draw(labels, 0.3, 1), draw(labels, 0.3, 1))
    foreground = (labels == 5) | (labels == 12)
    wrong = np.stack([draw(labels, 0.3, k) != labels for k in range(40)])[:, foreground]
    both = np.mean([(wrong[i] & wrong[j]).mean() for i in range(40) for j in range(i)])
    assert both == pytest.approx(0.09, abs=0.02)  # r squared


def test_random_numbers_depend_on_image_ratio_draw_and_seed():
    first = [
        noise_generator(*args, seed=seed).integers(2**62)
        for args in [('a', 0.3, 0), ('b', 0.3, 0), ('a', 0.2, 0), ('a', 0.3, 1)]
        for seed in (0, 1)
    ]
    assert len(set(first)) == len(first)


def test_image_without_foreground(labels):
    empty = np.zeros_like(labels)
    np.testing.assert_array_equal(draw(empty, 0.3), empty)


def test_small_objects_and_borders():
    labels = np.zeros((3, 200), np.uint8)
    labels[0, 0] = labels[2, 199] = 7
    assert (draw(labels, 1.0) == 0).all()
    assert (draw(labels, 0.5) != labels).sum() == 1


def test_bad_arguments(labels):
    with pytest.raises(ValueError, match=r'ratio is a share .*got 30'):
        draw(labels, 30)
    with pytest.raises(ValueError, match='size_range'):
        draw(labels, 0.3, size_range=(9, 8))
