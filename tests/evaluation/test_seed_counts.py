import numpy as np
import pytest

from mmws.evaluation import seed_counts
from mmws.evaluation.seed_counts import REFERENCES, confusion, count_image, rates

_ = 255


def labels(*rows):
    return np.array(rows, np.uint8)


def test_counts_and_rates_by_hand():
    truth = labels([0, 0, 0, 1], [1, 1, 2, _])
    seed = labels([0, 0, 1, 1], [_, 0, _, 1])
    counts = confusion(truth, seed, 4)
    # Row: true label; column: given label; the last one of each is unknown.
    np.testing.assert_array_equal(
        counts,
        [[2, 1, 0, 0, 0], [1, 1, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]],
    )
    found = rates(counts)
    # Class 0: 2 right of 3 there and 3 given; class 1: 1 of 3 and 2; class 2 is missed; no class 3.
    np.testing.assert_allclose(found.iou, [2 / 4, 1 / 4, 0, np.nan])
    assert found.miou == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)
    # Without the two unknown pixels class 1 is there twice and class 2 not at all.
    np.testing.assert_allclose(found.iou_labelled, [2 / 4, 1 / 3, np.nan, np.nan])
    assert found.miou_labelled == pytest.approx((2 / 4 + 1 / 3) / 2)
    assert found.precision == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.recall == pytest.approx((2 / 3 + 1 / 3 + 0) / 3)
    assert found.coverage == pytest.approx(5 / 7)


def test_a_seed_that_knows_nothing():
    found = rates(confusion(labels([0, 1]), labels([_, _]), 2))
    assert (found.miou, found.recall, found.coverage) == (0, 0, 0)
    assert np.isnan(found.miou_labelled) and np.isnan(found.precision)


@pytest.mark.parametrize('chunk', [1 << 22, 7])
def test_an_image_against_a_walk_over_its_pixels(monkeypatch, chunk):
    """In one piece and in many."""
    monkeypatch.setattr(seed_counts, '_CHUNK', chunk)
    rng = np.random.default_rng(3)
    choices = np.array([0, 1, 2, _], np.uint8)
    truth = rng.choice(choices, (8, 9))
    seeds = rng.choice(choices, (3, 8, 9))
    found = count_image([seeds[0], None, *seeds[1:]], 3, truth=truth)
    expected = np.zeros((6, 4, 4), int)
    known, same = np.zeros((2, 3, 3), int)
    pixels = fights = 0
    for y, x in np.ndindex(truth.shape):
        true, given = truth[y, x], seeds[:, y, x].tolist()
        labelled = [g for g in given if g != _]
        pixels += true != _
        fights += true != _ and len(set(labelled)) > 1
        winner = min(labelled, key=lambda g: (-labelled.count(g), g)) if labelled else _
        best = true if true in given else winner
        for row, label in enumerate([*given, winner, best, 0]):
            expected[row, 3 if true == _ else true, 3 if label == _ else label] += 1
        for a, b in np.ndindex(3, 3):
            known[a, b] += _ not in (given[a], given[b])
            same[a, b] += given[a] == given[b] != _
    assert len(REFERENCES) == len(expected) - len(seeds)
    # The seed that the image lacks counts nowhere.
    np.testing.assert_array_equal(found.confusion, np.insert(expected, 1, 0, axis=0))
    for table, by_hand in ((found.known, known), (found.same, same)):
        assert not table[1].any() and not table[:, 1].any()
        np.testing.assert_array_equal(np.delete(np.delete(table, 1, 0), 1, 1), by_hand)
    assert (found.pixels, found.disputed, found.images) == (pixels, fights, 1)
    assert found.maps.tolist() == [1, 0, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(found.images_with, found.confusion.any(1))


def test_without_ground_truth_the_vote_is_the_reference():
    seeds = [labels([0, 0, 1], [_, 2, 2]), labels([0, 1, 1], [1, _, 2])]
    found = count_image(seeds, 3)
    # The vote is 0 0 1 / 1 2 2 (of two votes the smaller label): the other has 1 where it says 0.
    np.testing.assert_allclose(rates(found.confusion[0]).iou_labelled, [1, 1, 1])
    np.testing.assert_allclose(rates(found.confusion[1]).iou_labelled, [1 / 2, 2 / 3, 1])
    # Both know four pixels: 0/0, 0/1, 1/1, 2/2.
    np.testing.assert_allclose(found.agreement, [[1, 0.75], [0.75, 1]])
    assert found.disputed == 1
