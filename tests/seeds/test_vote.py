import numpy as np
import pytest

from mmws.seeds.vote import vote


@pytest.mark.parametrize('num_seeds', [1, 2, 3, 12])
def test_vote_is_the_histogram_s_maximum(num_seeds):
    rng = np.random.default_rng(num_seeds)
    seeds = rng.choice([0, 1, 7, 20, 254, 255], size=(num_seeds, 13, 11)).astype(np.uint8)
    votes = np.stack([(seeds == label).sum(0) for label in range(255)])
    expected = np.where(votes.any(0), votes.argmax(0), 255)
    np.testing.assert_array_equal(vote(seeds), expected)


def test_the_result_is_not_a_view_of_a_single_seed():
    seeds = np.zeros((1, 2, 2), np.uint8)
    vote(seeds)[0, 0] = 9
    assert seeds[0, 0, 0] == 0
