"""WSTLoss against a float64 loop over pixels and seeds, written from Eq. 4 to 7."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.utils import digit_version
from mmseg.models.losses import CrossEntropyLoss

from mmws.models import SeedBatch, WSTLoss, hand_over, wst_weights

CLASSES = 4


def make_case(seed, *, n=2, k=3, c=CLASSES, h=5, w=4, unknown=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, c, h, w, generator=generator) * 3
    seeds = torch.randint(0, c, (n, k, h, w), generator=generator)
    seeds[torch.rand(n, k, h, w, generator=generator) < unknown] = 255
    return logits, seeds


def brute_force(
    logits,
    seeds,
    *,
    scale=1.0,
    unknown='keep',
    average='labelled',
    class_weight=None,
    present=None,
    use_sigmoid=False,
    balance=0.0,
):
    """One python loop, float64; differentiable, so that it gives the gradient too."""
    z = logits.double()
    n_images, n_seeds, height, width = seeds.shape
    total, divisor = z.new_zeros(()), 0.0
    shares = [(seeds == c).sum().item() / (seeds != 255).sum().item() for c in range(z.shape[1])]
    for n in range(n_images):
        named = [c for c in range(z.shape[1]) if (seeds[n] == c).any()]
        for i in range(height):
            for j in range(width):
                labels = seeds[n, :, i, j].tolist()
                taking_part = [
                    k
                    for k in range(n_seeds)
                    if (present is None or present[n, k])
                    and not (unknown == 'drop' and labels[k] == 255)
                ]
                pixel = z[n, :, i, j]
                winner = int(pixel.argmax())
                if balance:
                    score = {c: float(pixel[c]) - balance * math.log(shares[c]) for c in named}
                    winner = max(score, key=score.get)
                energies = {k: math.exp(scale * (labels[k] == winner)) for k in taking_part}
                known = [k for k in taking_part if labels[k] != 255]
                mass = weights = 0.0
                for k in known:
                    weight = energies[k] / sum(energies.values())
                    if use_sigmoid:
                        target = F.one_hot(torch.tensor(labels[k]), len(pixel)).double()
                        entropy = F.binary_cross_entropy_with_logits(pixel, target)
                    else:
                        entropy = torch.logsumexp(pixel, 0) - pixel[labels[k]]
                    of_class = 1.0 if class_weight is None else class_weight[labels[k]]
                    total = total + weight * of_class * entropy
                    mass += weight * of_class
                    weights += weight
                if known:
                    divisor += mass / weights
                elif average == 'all':
                    divisor += 1
    return total / max(divisor, 1e-9)


@pytest.mark.parametrize(
    'options',
    [
        *(
            dict(scale=scale, unknown=unknown, average=average)
            for scale in (0.0, 1.0, 3.5)
            for unknown in ('keep', 'drop')
            for average in ('labelled', 'all')
        ),
        dict(class_weight=[0.5, 2.0, 1.0, 3.0]),
        dict(class_weight=[0.5, 2.0, 1.0, 3.0], average='all'),
        dict(use_sigmoid=True),
        dict(balance=1.5),
        dict(balance=1.5, use_sigmoid=True),
    ],
)
@pytest.mark.parametrize('k', [1, 2, 5, 12])
def test_value_and_gradient_equal_the_loop(options, k):
    logits, seeds = make_case(k, k=k)
    seeds[:, : k // 2].clamp_(max=1)  # so that shares differ
    seeds[0, seeds[0] == 3] = 2  # and one image lacks a class
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss = WSTLoss(**options)(ours, seeds)
    loss.backward()
    expected = brute_force(theirs, seeds, **options)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)


def test_a_balance_selects_among_the_classes_that_the_image_names():
    logits, seeds = make_case(3, k=5, h=8, w=8)
    seeds[:, :3] = 0  # mostly background
    logits[:, 3] += 50  # which no seed of the first image says
    seeds[0, seeds[0] == 3] = 1
    balanced = wst_weights(logits, seeds, balance=1.0)
    assert (wst_weights(logits, seeds)[0] == 1 / 5).all()
    # Every pixel of the first image is decided for a label that one of its seeds names.
    assert (balanced[0].std(0) > 0).float().mean() > 0.5
    shares = torch.tensor([0.999, 0.001 / 3, 0.001 / 3, 0.001 / 3])
    given = wst_weights(logits, seeds, balance=1.0, shares=shares)
    assert not torch.equal(given, balanced)
    unnamed = wst_weights(logits, torch.full_like(seeds, 255), balance=1.0)
    assert (unnamed == 1 / 5).all()


def test_a_seed_that_an_image_lacks_does_not_count():
    logits, seeds = make_case(9, k=4)
    present = torch.tensor([[True, False, True, True], [True, True, False, False]])
    seeds[~present] = 255
    loss = WSTLoss()(logits, seeds, present=present)
    expected = brute_force(logits, seeds, present=present)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    without = torch.stack([seeds[0, [0, 2, 3]], seeds[0, [0, 2, 3]]])
    found = wst_weights(logits, seeds, present=present)[0]
    torch.testing.assert_close(found[[0, 2, 3]], wst_weights(logits, without)[0])
    assert (found[1] == 0).all()
    nothing = wst_weights(logits, seeds, present=torch.zeros_like(present))
    assert (nothing == 0).all()


def test_weights_by_hand():
    # One pixel, the prediction is class 1, s = 1: one of two matches.
    logits = torch.tensor([0.0, 2.0, 1.0]).reshape(1, 3, 1, 1)
    weights = wst_weights(logits, torch.tensor([1, 2]).reshape(1, 2, 1, 1))
    e = math.e
    assert weights.flatten().tolist() == pytest.approx([e / (e + 1), 1 / (e + 1)])
    six_of_twelve = torch.tensor([1] * 6 + [0] * 6).reshape(1, 12, 1, 1)
    weights = wst_weights(logits, six_of_twelve).flatten()
    assert weights[0].item() == pytest.approx(0.1218, abs=1e-4)
    assert weights[6].item() == pytest.approx(0.0448, abs=1e-4)


@pytest.mark.parametrize('label_shape', ['N1HW', 'NHW', 'points'])
@pytest.mark.parametrize(
    'kwargs',
    [
        {},
        {'weight': True},
        {'avg_factor': 17.0},
        {'reduction_override': 'sum'},
        {'reduction_override': 'none'},
    ],
)
def test_one_seed_is_cross_entropy(label_shape, kwargs):
    logits, seeds = make_case(1, k=1, n=3, h=9, w=7)
    label = seeds[:, 0]
    if label_shape == 'points':
        logits, label = logits.flatten(2), label.flatten(1)
    if 'weight' in kwargs:
        kwargs = dict(weight=torch.rand(label.shape))
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    given = seeds if label_shape == 'N1HW' else label
    a = WSTLoss(loss_weight=0.4)(ours, given, ignore_index=255, **kwargs)
    stock = CrossEntropyLoss(avg_non_ignore=True)
    b = 0.4 * stock(theirs, label, ignore_index=255, **kwargs)
    torch.testing.assert_close(a, b)
    a.sum().backward()
    b.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize('use_sigmoid', [False, True])
def test_one_channel_is_binary_cross_entropy(use_sigmoid):
    logits, seeds = make_case(1, k=1, c=2)
    z = logits[:, :1]
    stock = CrossEntropyLoss(use_sigmoid=True, avg_non_ignore=True)
    found = WSTLoss(use_sigmoid=use_sigmoid)(z, seeds[:, 0])
    torch.testing.assert_close(found, stock(z, seeds[:, 0], ignore_index=255))


@pytest.mark.parametrize('average', ['labelled', 'all'])
@pytest.mark.parametrize(
    'options',
    [{}, {'class_weight': [1.0, 2.0, 3.0, 4.0]}, {'balance': 1.0}, {'unknown': 'drop'}],
)
def test_a_batch_without_any_label_gives_zero_and_zero_gradient(average, options):
    logits = torch.randn(2, CLASSES, 3, 3, requires_grad=True)
    loss = WSTLoss(average=average, **options)(logits, torch.full((2, 3, 3, 3), 255))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize('size', [1e4, 1e30])
def test_huge_logits_stay_finite(size):
    logits, seeds = make_case(6)
    logits = (logits * size).requires_grad_()
    loss = WSTLoss(scale=1e6)(logits, seeds)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype):
    logits, seeds = make_case(10)
    logits[0, 2] = torch.finfo(torch.float16).max / 2  # no softmax in float16 would survive it
    half = logits.to(dtype).requires_grad_()
    if dtype == torch.float16 and digit_version(torch.__version__)[:2] < (2, 3):
        pytest.skip('autocast of this torch has no float16 on a CPU')
    with torch.autocast('cpu', dtype=dtype):
        loss = WSTLoss()(half, seeds)
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad.dtype == dtype
    exact = half.detach().float().requires_grad_()
    expected = WSTLoss()(exact, seeds)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(half.grad, exact.grad.to(dtype))


@pytest.mark.parametrize('ignored', [-100, 3, 4])
def test_another_ignore_index(ignored):
    logits, seeds = make_case(12)
    seeds[seeds == 3] = 255  # a class may be what does not count
    other = torch.where(seeds == 255, torch.tensor(ignored), seeds)
    torch.testing.assert_close(
        WSTLoss()(logits, other, ignore_index=ignored), WSTLoss()(logits, seeds)
    )


@pytest.mark.parametrize('ignored', [255, 4])
def test_handed_over_seeds_stand_in_for_the_label_and_keep_its_mask(ignored):
    logits, seeds = make_case(13)
    label = torch.zeros(2, 5, 4, dtype=torch.long)
    label[0, :2] = ignored
    label[1, 0] = 255
    masked = seeds.clone()
    masked[0, :, :2] = masked[1, :, 0] = 255
    loss = WSTLoss()
    with hand_over(SeedBatch(seeds.to(torch.uint8))) as batch:
        found = loss(logits, label, ignore_index=ignored)
        torch.testing.assert_close(found, loss(logits, masked))
        assert batch.uses == [(2, 5, 4)]
        # A loss on another grid falls back to its label and is not counted as a use.
        loss(logits[:, :, 3:], label[:, 3:])
        assert len(batch.uses) == 1
    label[1, 0] = ignored
    torch.testing.assert_close(
        loss(logits, label, ignore_index=ignored),
        loss(logits, label[:, None], ignore_index=ignored),
    )


def test_errors_name_what_is_wrong():
    logits, seeds = make_case(14)
    with pytest.raises(ValueError, match=r'matching logits \(2, 4, 5, 4\).*PackMultiSeedInputs'):
        WSTLoss()(logits, seeds.permute(0, 2, 3, 1))
    with pytest.raises(ValueError, match='integer label maps'):
        WSTLoss()(logits, seeds.float())
    for length in (3, 5):
        with pytest.raises(ValueError, match=f'class_weight of loss_wst has {length} values for 4'):
            WSTLoss(class_weight=[1.0] * length)(logits, seeds)
    for wrong in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f'loss_wst must be finite and >= 0; got .*{wrong}'):
            WSTLoss(class_weight=[1.0, 1.0, 1.0, wrong])(logits, seeds)
    for wrong in (4, -1):
        seeds[0, 0, 0, 0] = wrong
        with pytest.raises(ValueError, match=rf'in \[0, 4\) or 255.*found \[{wrong}\]'):
            WSTLoss()(logits, seeds)
    with pytest.raises(ValueError, match="average 'labelled' or 'all'; got 'keep' and 'mean'"):
        WSTLoss(average='mean')
    with pytest.raises(ValueError, match='no place in the sigmoid form'):
        WSTLoss(use_sigmoid=True, class_weight=[1.0])
