"""What the referee says of seeds whose truth is known."""

import numpy as np
import pytest

from mmws.evaluation.check import MapsOfImage
from mmws.evaluation.referee import advise, as_text, sample_image

NAMES = [f'seed{k}' for k in range(8)]
CLASSES = ['background', 'cat', 'dog', 'cow']


@pytest.fixture
def masks():
    """Sixty images with background and one or two of three objects."""
    rng = np.random.default_rng(0)
    masks = np.zeros((60, 1024), np.uint8)
    for mask in masks:
        first, second = rng.permutation(3)[:2] + 1
        mask[:250], mask[250:400] = first, second
    return masks


def spoil(masks, wrong, seed, *, to=None):
    """Give a share of the pixels the label of another pixel of the image, or ``to``."""
    rng = np.random.default_rng(seed)
    other = np.stack([rng.permutation(mask) for mask in masks]) if to is None else to
    return np.where(rng.random(masks.shape) < wrong, other, masks).astype(np.uint8)


def judge(*seeds):
    return advise(np.stack(seeds, 1), NAMES[: len(seeds)], 4)


def test_better_seeds_look_better(masks):
    shares = (0.1, 0.3, 0.5, 0.7)
    advice = judge(*(spoil(masks, wrong, s) for s, wrong in enumerate(shares)))
    assert (np.diff(advice.f1) < 0).all()
    # What it estimates without the truth is what the truth says.
    for k, wrong in enumerate(shares):
        seed = spoil(masks, wrong, k)
        for c in range(4):
            recall = (seed == c)[masks == c].mean()
            assert advice.recall[k, c] == pytest.approx(recall, abs=0.06)
    assert advice.rule == 'em' and not advice.groups and len(advice.camps) < 2
    alike = judge(*(spoil(masks, 0.5, s) for s in range(5)))
    assert alike.effective == pytest.approx(5, abs=0.5)


def test_seeds_that_say_the_same_count_as_one(masks):
    first = spoil(masks, 0.4, 0)
    copies = [spoil(first, 0.02, s) for s in (1, 2, 3)]
    advice = judge(*copies, spoil(masks, 0.3, 4))
    assert advice.groups == [[0, 1, 2]] and advice.effective < 2.5
    assert 'seed0, seed1, seed2 say nearly the same' in advice.reasons[0]


def test_camps_are_named_and_not_voted_on(masks):
    common = spoil(masks, 0.6, 0)
    wrong = [spoil(common, 0.15, s) for s in range(1, 6)]
    right = [spoil(masks, 0.15, s) for s in range(6, 9)]
    advice = judge(*wrong, *right)
    assert advice.camps == [[0, 1, 2, 3, 4], [5, 6, 7]]
    assert advice.rule == dict(type='wst', balance=1.0)
    assert 'seed0, seed1, seed2, seed3, seed4; seed5, seed6, seed7' in advice.reasons[0]


def test_one_sided_errors_are_seen(masks):
    seeds = [spoil(masks, 0.6, s, to=0) for s in range(6)]
    advice = judge(*seeds)
    assert any('Seeds miss 59%' in reason and 'not safe' in reason for reason in advice.reasons)
    assert advice.rule == 'em'


def test_a_lone_seed_is_pointed_out_and_two_seeds_are_left_to_the_images(masks):
    advice = judge(*(spoil(masks, 0.2, s) for s in range(4)), spoil(masks, 0.98, 9))
    assert advice.odd == [4] and 'The others speak against seed4' in advice.reasons[-1]
    assert judge(masks, spoil(masks, 0.3, 1)).rule == 'wst'


def test_unknown_pixels_missing_maps_and_the_text(masks, save):
    image = masks[0].reshape(32, 32)
    sample = sample_image(MapsOfImage('a', [save(image, 'a.png'), 'gone.png']))
    assert (sample[0] == masks[0]).all() and (sample[1] == 255).all()
    small = sample_image(MapsOfImage('b', [save(image[:2], 'b.png')]))
    assert (small[0, 64:] == 255).all()
    seeds = [spoil(masks, 0.3, s) for s in range(3)]
    seeds[0][:, ::3] = 255
    seeds[1][:10] = 255
    masks[masks == 3] = 1  # and a class that nobody names
    advice = judge(*(np.where(seed == 3, 1, seed) for seed in seeds))
    assert np.isnan(advice.recall[:, 3]).all() and np.isfinite(advice.f1).all()
    text = as_text(advice, NAMES[:3], CLASSES)
    assert 'cat' in text and 'cow' not in text and "rule='em'" in text
    assert advice.as_dict(NAMES[:3])['rule'] == 'em'
