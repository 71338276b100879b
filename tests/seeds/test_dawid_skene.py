"""Dawid and Skene's model against float64 loops, and on cases whose truth is known."""

import math

import pytest
import torch

from mmws.seeds.dawid_skene import Confusions, agreement, disputed, fuse, posterior


@pytest.fixture
def case():
    """Two images, three seeds, four classes; the second image has no class 3."""
    generator = torch.Generator().manual_seed(0)
    seeds = torch.randint(0, 4, (2, 3, 7), generator=generator)
    seeds[1][seeds[1] == 3] = 0
    known = torch.rand(2, 3, 7, generator=generator) > 0.3
    truth = torch.rand(2, 4, 7, generator=generator).softmax(1)
    named = torch.stack(
        [
            torch.tensor([(s[k] == c).any() for c in range(4)])
            for s, k in zip(seeds, known, strict=True)
        ]
    )
    return seeds, known, truth, named


def counts_by_loops(seeds, known, truth, named):
    """Count pixel by pixel: (c said as l by k), and how often that could have happened."""
    said = torch.zeros(3, 4, 4, dtype=torch.float64)
    exposed = torch.zeros(3, 4, 4, dtype=torch.float64)
    for n, k, i in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(7)).tolist():
        if known[n, k, i]:
            said[k, seeds[n, k, i]] += truth[n, :, i]
            for label in range(4):
                if named[n, label]:
                    exposed[k, label] += truth[n, :, i]
    return said, exposed


def test_counts_and_posterior_by_loops(case):
    seeds, known, truth, named = case
    counted = Confusions.count(truth, seeds, known)
    said, exposed = counts_by_loops(seeds, known, truth, named)
    torch.testing.assert_close(counted.counts.double(), said)
    torch.testing.assert_close(counted.exposure.double(), exposed)
    torch.testing.assert_close(counted.mass, truth.sum((0, 2)))
    pixels = torch.tensor([sum(7 for n in range(2) if named[n, c]) for c in range(4)])
    shares = truth.sum((0, 2)) / pixels

    logits = torch.randn(2, 4, 7)
    got = posterior(
        counted.log_rates(named),
        seeds,
        known,
        counted.log_shares(named),
        prediction=logits,
        share=0.25,
    )
    few = 1e-3 * truth.sum().item()
    for n, i in torch.cartesian_prod(torch.arange(2), torch.arange(7)).tolist():
        energy = []
        classes = [c for c in range(4) if named[n, c]]
        for c in classes:
            total = 0.75 * math.log(shares[c]) + 0.25 * logits[n].log_softmax(0)[c, i].item()
            for k in range(3):
                if known[n, k, i]:
                    rates = {
                        label: (said[k, label, c].item() + few * (0.8 if label == c else 0.2 / 3))
                        / (exposed[k, label, c].item() + few)
                        for label in classes
                    }
                    rate = rates[seeds[n, k, i].item()] / sum(rates.values())
                    total += math.log(rate)
            energy.append(total)
        expected = torch.zeros(4)
        expected[classes] = torch.tensor(energy).softmax(0)
        torch.testing.assert_close(got[n, :, i], expected, atol=2e-3, rtol=0)


@pytest.fixture
def masks():
    """Images with background and two of five objects each."""
    generator = torch.Generator().manual_seed(1)
    masks = torch.zeros(40, 400, dtype=torch.long)
    for mask in masks:
        first, second = (torch.randperm(5, generator=generator) + 1)[:2]
        mask[:80], mask[80:140] = first, second
    return masks


def spoil(masks, wrong, seed, *, one_sided=False):
    """Replace a share of the pixels, independently, by a class of the image or by background."""
    generator = torch.Generator().manual_seed(seed)
    hit = torch.rand(masks.shape, generator=generator) < wrong
    if one_sided:
        return torch.where(hit, 0, masks)
    shuffled = torch.stack([m[torch.randint(400, (400,), generator=generator)] for m in masks])
    return torch.where(hit, shuffled, masks)


def accuracy(labels, masks):
    return torch.stack([(labels == masks)[masks == c].float().mean() for c in range(6)]).mean()


def vote(seeds):
    return torch.stack([(seeds == c).sum(1) for c in range(6)], 1).argmax(1)


def test_independent_errors_reach_the_vote(masks):
    seeds = torch.stack([spoil(masks, 0.5, s) for s in range(5)], 1)
    truth, _ = fuse(seeds, torch.ones_like(seeds).bool(), 6)
    assert accuracy(truth.argmax(1), masks) >= accuracy(vote(seeds), masks)


def test_one_sided_errors_are_told_from_the_truth(masks):
    seeds = torch.stack([spoil(masks, 0.6, s, one_sided=True) for s in range(6)], 1)
    truth, counted = fuse(seeds, torch.ones_like(seeds).bool(), 6)
    assert accuracy(vote(seeds), masks) < 0.7
    assert accuracy(truth.argmax(1), masks) > 0.9
    # An object is missed at three pixels of five, and never made of background.
    rates = counted.counts / counted.counts.sum(1, keepdim=True)
    torch.testing.assert_close(rates[:, 0, 1:], torch.full((6, 5), 0.6), atol=0.1, rtol=0)
    assert (rates[:, 1:, 0] < 0.05).all()


def test_a_good_seed_among_bad_ones_is_believed(masks):
    bad = [spoil(masks, 0.8, s) for s in range(6)]
    seeds = torch.stack([spoil(masks, 0.05, 99), *bad], 1)
    truth, counted = fuse(seeds, torch.ones_like(seeds).bool(), 6)
    right = counted.counts.diagonal(dim1=1, dim2=2).sum(1) / counted.counts.sum((1, 2))
    assert right.argmax() == 0
    assert accuracy(truth.argmax(1), masks) > accuracy(vote(seeds), masks) + 0.1


def test_a_seed_that_swaps_two_classes_counts_as_a_good_one(masks):
    swapped = spoil(masks, 0.2, 9)
    swapped = torch.where(swapped == 1, 2, torch.where(swapped == 2, 1, swapped))
    seeds = torch.stack([spoil(masks, 0.5, 0), spoil(masks, 0.5, 1), swapped], 1)
    truth, counted = fuse(seeds, torch.ones_like(seeds).bool(), 6)
    assert counted.counts[2, 2, 1] > counted.counts[2, 1, 1]
    assert accuracy(truth.argmax(1), masks) > accuracy(vote(seeds), masks) + 0.1


def test_agreement_by_hand():
    seeds = torch.tensor([[[0, 1, 2, 1], [0, 1, 1, 2], [0, 0, 2, 1]]])
    known = torch.tensor([[[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 1]]]).bool()
    assert disputed(seeds, known).tolist() == [[[False, True, True, False]]]
    same, both = agreement(seeds, known)
    assert same.tolist() == [[4, 2, 2], [2, 3, 1], [2, 1, 3]]
    assert both.tolist() == [[4, 3, 3], [3, 3, 2], [3, 2, 3]]
