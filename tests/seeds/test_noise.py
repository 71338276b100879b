import numpy as np
import pytest

from mmws.seeds.noise import add_block_noise, noise_generator

LABELS = np.zeros((120, 160), np.uint8)
LABELS[20:100, 30:90] = 5
LABELS[40:80, 100:150] = 12
LABELS[18:20] = 255
FOREGROUND = (LABELS == 5) | (LABELS == 12)


def draw(ratio, number=0, *, labels=LABELS, **options):
    return add_block_noise(labels, ratio, noise_generator('a', ratio, number), **options)


@pytest.mark.parametrize('ratio', [0.0, 0.1, 0.3, 0.9, 1.0])
def test_the_ratio_of_foreground_becomes_background_and_nothing_else_changes(ratio):
    noisy = draw(ratio)
    changed = noisy != LABELS
    assert (noisy[changed] == 0).all() and not changed[~FOREGROUND].any()
    # The last block ends with the row in which the ratio is met: at most one row too many.
    excess = changed.sum() - round(ratio * FOREGROUND.sum())
    assert 0 <= excess <= 64
    assert LABELS.sum() > 0 and noisy is not LABELS


def test_both_ways_as_much_background_gets_a_class_of_the_image():
    noisy, one_way = (draw(0.3, both_ways=both) for both in (True, False))
    np.testing.assert_array_equal(noisy[FOREGROUND], one_way[FOREGROUND])
    added = (noisy != LABELS) & ~FOREGROUND
    assert abs(added.sum() - round(0.3 * FOREGROUND.sum())) <= 64
    assert set(np.unique(noisy[added])) == {5, 12} and (noisy[LABELS == 255] == 255).all()


def test_draws_are_reproducible_and_independent():
    np.testing.assert_array_equal(draw(0.3, 1), draw(0.3, 1))
    wrong = np.stack([draw(0.3, k) != LABELS for k in range(40)])[:, FOREGROUND]
    both = np.mean([(wrong[i] & wrong[j]).mean() for i in range(40) for j in range(i)])
    assert both == pytest.approx(0.09, abs=0.02)  # r squared


def test_random_numbers_depend_on_image_ratio_draw_and_seed():
    first = [
        noise_generator(*args, seed=seed).integers(2**62)
        for args in [('a', 0.3, 0), ('b', 0.3, 0), ('a', 0.2, 0), ('a', 0.3, 1)]
        for seed in (0, 1)
    ]
    assert len(set(first)) == len(first)


def test_small_objects_borders_and_none():
    labels = np.zeros((3, 200), np.uint8)
    labels[0, 0] = labels[2, 199] = 7
    assert (draw(1.0, labels=labels) == 0).all()
    assert (draw(0.5, labels=labels) != labels).sum() == 1
    assert not draw(0.3, labels=np.zeros_like(labels)).any()


def test_bad_arguments():
    with pytest.raises(ValueError, match=r'ratio is a share .*got 30'):
        draw(30)
    with pytest.raises(ValueError, match='size_range'):
        draw(0.3, size_range=(9, 8))
