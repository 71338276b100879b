"""Rules against small independent implementations, and what is common to all of them."""

import math

import numpy as np
import pytest
import torch

from mmws.models import WSTLoss
from mmws.models.rules import RULES
from mmws.models.rules.adele import slope_has_fallen
from mmws.seeds.vote import vote

NAMES = sorted(RULES.module_dict)
C = 4


def random_batch(seed=0, k=3, unknown=0.2):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, C, 6, 5, generator=generator) * 2
    seeds = torch.randint(0, C, (2, k, 6, 5), generator=generator)
    seeds[torch.rand(seeds.shape, generator=generator) < unknown] = 255
    return logits, seeds


def trained(rule, batches=3, **options):
    """A rule that has learned from some batches."""
    loss = WSTLoss(rule=dict(type=rule, **options))
    for seed in range(batches):
        loss(*random_batch(seed))
    return loss.rule


# Of confusion matrices the network learns what it finds itself likely, too.
@pytest.mark.parametrize('rule', sorted({*NAMES} - {'confusion'}))
def test_seeds_that_agree_are_learned_as_one_label(rule):
    logits, seeds = random_batch(unknown=0)
    seeds = seeds[:, :1].expand(-1, 3, -1, -1)
    loss = WSTLoss(rule=rule)(logits, seeds)
    expected = torch.nn.functional.cross_entropy(logits, seeds[:, 0])
    # EM doubts even seeds that agree, a little.
    torch.testing.assert_close(loss, expected, rtol=0, atol=0.3 if rule == 'em' else 1e-5)


@pytest.mark.parametrize('rule', NAMES)
def test_what_every_rule_keeps(rule):
    loss = WSTLoss(rule=rule)
    for seed in range(3):
        logits, seeds = random_batch(seed)
        seeds[:, :, 0] = 255
        logits.requires_grad_()
        loss(logits, seeds).backward()
        assert logits.grad.isfinite().all() and logits.grad[:, :, 1:].abs().sum() > 0
        assert (logits.grad[:, :, 0] == 0).all()  # where no seed knows, nothing is learned
    view = loss.view(logits, seeds, 255)
    assert (view.weights[seeds == 255] == 0).all() or rule in ('wst', 'plain', 'adele')
    assert (view.weights.sum(1) <= 1 + 1e-5).all() and (view.weights >= 0).all()
    if view.target is not None:
        total = view.target.sum(1)
        torch.testing.assert_close(total, (seeds != 255).any(1).float())
    assert not loss.state_dict()
    # A seed that the images lack counts for nothing: the loss is that without it.
    present = torch.tensor([[True, True, False]] * 2)
    other = seeds.clone()
    other[:, 2] = 255
    fresh = WSTLoss(rule=rule).eval()
    torch.testing.assert_close(
        fresh(logits, other, present=present), fresh(logits, seeds[:, :2]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize('rule', NAMES)
def test_the_loss_is_the_cross_entropy_against_weights_or_target(rule):
    loss = WSTLoss(rule=rule)
    loss.rule = trained(rule)
    loss.eval()
    logits, seeds = random_batch(7)
    view = loss.view(logits, seeds, 255)
    label = torch.stack([(view.weights * (seeds == c)).sum(1) for c in range(C)], 1)
    label = label if view.target is None else view.target
    expected = -(label * logits.double().log_softmax(1)).sum() / (seeds != 255).any(1).sum()
    torch.testing.assert_close(loss(logits, seeds).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    'base, cost',
    [
        ('gce', lambda p: (1 - p**0.7) / 0.7),
        # Reverse cross entropy is -sum_c p_c log(label_c) with log 0 = -4.
        ('sce', lambda p: -0.1 * math.log(p) + 4 * (1 - p)),
    ],
)
def test_robust_base_losses(base, cost):
    logits, seeds = random_batch(unknown=0)
    p = logits.double().softmax(1)
    expected = np.mean(
        [cost(p[n, c, i, j].item()) for n in range(2) for i in range(6) for j in range(5)
         for c in seeds[n, :, i, j].tolist()]
    )  # fmt: skip
    loss = WSTLoss(rule='plain', base=base)(logits, seeds)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_vote_is_that_of_the_label_maps():
    logits, seeds = random_batch(k=5)
    view = WSTLoss(rule='vote').view(logits, seeds, 255)
    for n in range(2):
        voted = torch.from_numpy(vote(seeds[n].byte().numpy()))
        elected = (seeds[n] == voted) & (seeds[n] != 255)
        torch.testing.assert_close(view.weights[n], elected / elected.sum(0).clamp(min=1))


def test_em_takes_the_network_as_it_earns_it():
    right, logits = [], torch.eye(C)[torch.arange(60) % C].T.reshape(1, C, 6, 10) * 9
    seeds = (torch.arange(60) % C).reshape(1, 1, 6, 10).repeat(1, 5, 1, 1)
    for k in range(5):  # five seeds with errors of their own
        seeds[0, k].flatten()[k::6] = (seeds[0, k].flatten()[k::6] + 1) % C
    for predicted in (logits, torch.zeros_like(logits)):
        loss = WSTLoss(rule='em')
        for _ in range(3):
            loss(predicted, seeds)
        right.append(float(loss.rule.earned()))
    assert right[0] > 0.95 and right[1] == 0


def test_crowdlab_by_loops():
    rule = trained('crowdlab', batches=1)
    logits, seeds = random_batch(0)
    pairs = [(n, k, i, j) for n in range(2) for k in range(3) for i in range(6) for j in range(5)
             if seeds[n, k, i, j] != 255]  # fmt: skip

    def error(label):
        wrong = [label(n, i, j) != seeds[n, k, i, j] for n, k, i, j in pairs]
        return sum(map(bool, wrong)) / len(wrong)

    commonest = torch.bincount(seeds[seeds != 255]).argmax()
    predicted = logits.argmax(1)
    voted = torch.stack([torch.from_numpy(vote(s.byte().numpy())) for s in seeds]).long()
    base = error(lambda n, i, j: commonest)
    quality, of_network, certainty = rule.qualities(3, logits)
    of_prediction = 1 - error(lambda n, i, j: predicted[n, i, j]) / base
    assert of_network.item() == pytest.approx(max(of_prediction, 1e-3) * 3**0.5, rel=1e-4)
    assert certainty.item() == pytest.approx(1 - error(lambda n, i, j: voted[n, i, j]), rel=1e-4)
    for k in range(3):
        both = [
            (seeds[n, k, i, j] != seeds[n, o, i, j]).item()
            for n in range(2) for i in range(6) for j in range(5) for o in range(3)
            if o != k and seeds[n, k, i, j] != 255 and seeds[n, o, i, j] != 255
        ]  # fmt: skip
        expected = max(1 - np.mean(both) / base, 1e-3)
        assert quality[k].item() == pytest.approx(expected, rel=1e-3)


def test_confusion_matrices_are_where_gradient_descent_ends():
    rule = trained('confusion', batches=1, trace=0.2)
    counts = rule.state['counts'].double()
    guess = torch.full((C, C), 0.2 / 3).fill_diagonal_(0.8).double()
    counts = counts + 1e-3 * counts.sum((1, 2), keepdim=True) * guess
    shares = counts / counts.sum(2, keepdim=True)
    theta = torch.zeros(3, C, C, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta], lr=0.05)
    for _ in range(2000):
        matrices = theta.softmax(2)
        trace = matrices.diagonal(dim1=1, dim2=2).sum()
        loss = -(shares * matrices.log()).sum() + 0.2 * trace
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = rule.matrices(3, torch.zeros(1, C, 1)).double()
    torch.testing.assert_close(found, theta.softmax(2).detach(), atol=1e-4, rtol=0)


def test_the_gradient_through_confusion_matrices():
    rule = trained('confusion')
    logits, seeds = random_batch(9)
    loss = WSTLoss(rule='confusion').eval()
    loss.rule = rule
    logits.requires_grad_()
    loss(logits, seeds).backward()
    matrices = rule.matrices(3, logits)
    other = logits.detach().clone().requires_grad_()
    said = torch.einsum('nchw,kcl->nklhw', other.softmax(1), matrices)
    known = seeds != 255
    cost = -said.gather(2, seeds.where(known, 0).unsqueeze(2)).squeeze(2).log() * known
    cost = (cost.sum(1) / known.sum(1).clamp(min=1)).sum() / known.any(1).sum()
    cost.backward()
    torch.testing.assert_close(logits.grad, other.grad, rtol=1e-3, atol=1e-6)


def test_adele_opens_when_learning_slows_down():
    rising = [0.1 * t for t in range(1, 8)]
    saturating = [0.8 * (1 - math.exp(-(t**1.2) / 1.5)) for t in range(1, 12)]
    assert not slope_has_fallen(rising, 0.9)
    assert slope_has_fallen(saturating, 0.9) and not slope_has_fallen(saturating[:2], 0.9)
    assert not slope_has_fallen([0.0] * 9, 0.9)


def test_adele_takes_sure_predictions_of_open_classes_of_the_image():
    logits = torch.zeros(1, C, 1, 6)
    for column, (label, height) in enumerate([(1, 9), (1, 1), (2, 9), (3, 9), (1, 9), (0, 9)]):
        logits[0, label, 0, column] = height
    seeds = torch.tensor([[[[0, 0, 0, 0, 255, 1]], [[0, 1, 2, 0, 255, 1]]]])
    loss = WSTLoss(rule='adele').eval()
    loss.rule.state = dict(open=torch.tensor([0.0, 1, 0, 1]))
    target = loss.view(logits, seeds, 255).target[0, :, 0]
    assert target[1, 0] == 1  # sure, class 1 is open and named
    torch.testing.assert_close(target[:2, 1], torch.tensor([0.5, 0.5]))  # not sure
    torch.testing.assert_close(target[[0, 2], 2], torch.tensor([0.5, 0.5]))  # class 2 is closed
    assert target[0, 3] == 1  # no seed names class 3
    assert (target[:, 4] == 0).all()
    # An image that would lose nearly all of its objects keeps its seeds.
    loss.rule.state = dict(open=torch.ones(C))
    away = torch.zeros(1, C, 5, 5)
    away[:, 0] = 9
    view = loss.view(away, torch.ones(1, 2, 5, 5).long().index_fill(3, torch.tensor([0]), 0), 255)
    assert view.target[0, 1].sum() == 20


@pytest.mark.parametrize(
    'rule, message',
    [
        ('majority', "rule must be one of adele, .*got 'majority'"),
        (dict(type='em', share=2), r'share must be in \[0, 1\]; got 2'),
        (dict(type='em', momentum=0), r'momentum must be in \(0, 1\]; got 0'),
        (dict(type='em', accuracy=1), r'accuracy must be in \(0, 1\)'),
        (dict(type='crowdlab', eps=0), r'eps must be in \(0, 1\]'),
        (dict(type='confusion', trace=-1), 'trace must be >= 0'),
        (dict(type='adele', fall=1), 'fall and sure in'),
        (dict(type='wst', scale=-1), 'scale and balance must be finite and >= 0'),
        (dict(type='wst', balance=math.inf), 'must be finite and >= 0; got 1.0 and inf'),
    ],
)
def test_rules_that_make_no_sense(rule, message):
    with pytest.raises(ValueError, match=message):
        WSTLoss(rule=rule)


@pytest.mark.parametrize('rule', sorted({*NAMES} - {'wst'}))
@pytest.mark.parametrize('option', [dict(scale=1.0), dict(scale=0.0), dict(balance=0.0)])
def test_options_of_wst_belong_to_wst(rule, option):
    (name,) = option
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{name}'"):
        WSTLoss(rule=rule, **option)


def test_a_base_loss_that_there_is_not():
    with pytest.raises(ValueError, match='base must be one of ce, gce, sce'):
        WSTLoss(base='huber')
