import numpy as np
import pytest

from mmws.evaluation.seed_scores import (
    REFERENCES,
    SeedScores,
    confusion,
    disputed,
    oracle,
    rates,
    score_image,
    sweep_thresholds,
)
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.vote import vote

_ = 255


def labels(*rows):
    return np.array(rows, np.uint8)


def test_counts_and_rates_by_hand():
    truth = labels([0, 0, 0, 1], [1, 1, 2, _])
    seed = labels([0, 0, 1, 1], [_, 0, _, 1])
    counts = confusion(truth, seed, 4)
    # Row: true label; column: given label, the last one unknown. The last pixel counts nowhere.
    np.testing.assert_array_equal(
        counts, [[2, 1, 0, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    )
    found = rates(counts)
    # Class 0: 2 right of 3 there and 3 given; class 1: 1 of 3 and 2; class 2 is missed; no class 3.
    np.testing.assert_allclose(found.iou, [2 / 4, 1 / 4, 0, np.nan])
    assert found.miou == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)
    # Without the two unknown pixels class 1 is there twice and class 2 not at all.
    assert found.miou_labelled == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert found.precision == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.recall == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert found.coverage == pytest.approx(5 / 7)


def test_a_seed_that_knows_nothing():
    found = rates(confusion(labels([0, 1]), labels([_, _]), 2))
    assert (found.miou, found.recall, found.coverage) == (0, 0, 0)
    assert np.isnan(found.miou_labelled) and np.isnan(found.precision)


def test_the_perfect_seed():
    truth = np.random.default_rng(0).integers(0, 5, (9, 7)).astype(np.uint8)
    found = rates(confusion(truth, truth, 5))
    assert (found.miou, found.miou_labelled, found.precision) == (1, 1, 1)
    assert (found.recall, found.coverage) == (1, 1)


def test_oracle_and_dispute_by_hand():
    truth = labels([0, 1, 2, 1, 0])
    seeds = np.stack([labels([0, 0, _, _, 1]), labels([1, 0, 2, _, 1]), labels([1, 2, _, _, _])])
    # Right in one seed; wrong in all: the vote; right in one, unknown in others; unknown; wrong.
    np.testing.assert_array_equal(oracle(truth, seeds, vote(seeds)), [[0, 0, 2, _, 1]])
    np.testing.assert_array_equal(disputed(seeds), [[True, True, False, False, False]])


def test_an_image_against_a_walk_over_its_pixels():
    rng = np.random.default_rng(3)
    choices = np.array([0, 1, 2, _], np.uint8)
    truth = rng.choice(choices, (8, 9))
    seeds = rng.choice(choices, (3, 8, 9))
    scores = score_image(truth, seeds, 3)
    expected = np.zeros((6, 3, 4), int)
    pixels = fights = 0
    for y, x in np.ndindex(truth.shape):
        true, given = truth[y, x], seeds[:, y, x].tolist()
        if true == _:
            continue
        pixels += 1
        known = [g for g in given if g != _]
        fights += len(set(known)) > 1
        winner = min(known, key=lambda g: (-known.count(g), g)) if known else _
        best = true if true in given else winner
        for row, label in enumerate([*given, winner, best, 0]):
            expected[row, true, 3 if label == _ else label] += 1
    np.testing.assert_array_equal(scores.confusion, expected)
    assert (scores.pixels, scores.disputed, scores.images) == (pixels, fights, 1)
    assert len(REFERENCES) == len(expected) - len(seeds)

    total = SeedScores.empty(3, 3)
    total.add(scores)
    total.add(scores)
    np.testing.assert_array_equal(total.confusion, 2 * expected)
    assert (total.pixels, total.disputed, total.images) == (2 * pixels, 2 * fights, 2)


def test_the_oracle_is_never_worse_than_a_seed():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 4, (20, 20)).astype(np.uint8)
    seeds = np.where(rng.random((4, 20, 20)) < 0.6, truth, rng.integers(0, 4, (4, 20, 20)))
    found = [rates(c).miou for c in score_image(truth, seeds.astype(np.uint8), 4).confusion]
    assert found[5] > max(found[:5])
    assert found[4] > max(found[:4])  # independent mistakes: the vote helps


def test_sweep_by_hand():
    cam = np.array([[[0.05, 0.2, 0.9]]], np.float16)  # class 0, which is label 1
    truth = labels([0, 1, 1])
    cams = ImageCAMs((0,), {1.0: cam, 0.5: np.zeros_like(cam)})
    found = sweep_thresholds(truth, cams, None, [0.1, 0.5], 2)
    np.testing.assert_array_equal(found[1.0][0], [[1, 0, 0], [0, 2, 0]])
    np.testing.assert_array_equal(found[1.0][1], [[1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found[0.5][1], [[1, 0, 0], [2, 0, 0]])
    # With saliency: neither CAM nor background, and both at once, are unknown.
    saliency = labels([255, 255, 0])
    found = sweep_thresholds(truth, cams, saliency, [0.1, 0.5], 2)
    np.testing.assert_array_equal(found[1.0][0], [[0, 0, 1], [0, 1, 1]])
    np.testing.assert_array_equal(found[1.0][1], [[0, 0, 1], [0, 0, 2]])

    total = SeedScores.empty(0, 2)
    for _repeat in range(2):
        total.add(SeedScores(1, np.zeros((3, 2, 3), int), 3, 0, sweep=found))
    np.testing.assert_array_equal(total.sweep[1.0], 2 * found[1.0])


@pytest.mark.parametrize(
    'truth, seeds, message',
    [
        (labels([0, 3]), labels([0, 1])[None], 'ground truth holds label 3; with 3 classes'),
        (labels([0, 1]), labels([0, 9])[None], 'seed holds label 9.*Is num_classes right'),
        (labels([0, 1]), labels([0, 1]), r'\(K, H, W\) with the size.*\(1, 2\); got \(1, 2\)'),
        (labels([0, 1]), labels([0], [1])[None], r'got \(1, 2, 1\)'),
    ],
)
def test_what_cannot_be_compared(truth, seeds, message):
    with pytest.raises(ValueError, match=message):
        score_image(truth, seeds, 3)
