"""WSTLoss against a float64 loop over pixels and seeds, written from Eq. 4 to 7."""

import math

import pytest
import torch
from mmengine.utils import digit_version
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS

from mmws.models import SeedBatch, WSTLoss, hand_over, wst_pixel_loss, wst_weights

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
    class_bias=None,
):
    """One python loop, float64; differentiable, so that it gives the gradient too."""
    z = logits.double()
    n_images, n_seeds, height, width = seeds.shape
    total = z.new_zeros(())
    divisor = 0.0
    counts = [(seeds[:, k] != 255).sum().item() for k in range(n_seeds)]
    for n in range(n_images):
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
                biased = pixel if class_bias is None else pixel + torch.tensor(class_bias).double()
                winner = int(biased.argmax())
                energies = {k: math.exp(scale * (labels[k] == winner)) for k in taking_part}
                known = [k for k in taking_part if labels[k] != 255]
                mass = weights = 0.0
                for k in known:
                    weight = energies[k] / sum(energies.values())
                    if use_sigmoid:
                        target = torch.zeros_like(pixel)
                        target[labels[k]] = 1
                        entropy = torch.nn.functional.binary_cross_entropy_with_logits(
                            pixel, target
                        )
                    else:
                        entropy = torch.logsumexp(pixel, 0) - pixel[labels[k]]
                    of_class = 1.0 if class_weight is None else class_weight[labels[k]]
                    share = counts[k] if average == 'seed' else 1.0
                    total = total + weight * of_class * entropy / share
                    mass += weight * of_class
                    weights += weight
                if known:
                    divisor += mass / weights
                elif average == 'all':
                    divisor += 1
    if average == 'seed':
        return total
    return total / max(divisor, 1e-9)


@pytest.mark.parametrize('unknown', ['keep', 'drop'])
@pytest.mark.parametrize('average', ['labelled', 'all', 'seed'])
@pytest.mark.parametrize('scale', [0.0, 1.0, 3.5])
def test_value_and_gradient_equal_the_loop(unknown, average, scale):
    for seed, k in enumerate((1, 2, 5, 12)):
        logits, seeds = make_case(seed, k=k)
        ours = logits.clone().requires_grad_()
        loss = WSTLoss(scale=scale, unknown=unknown, average=average)(ours, seeds)
        loss.backward()
        theirs = logits.double().requires_grad_()
        expected = brute_force(theirs, seeds, scale=scale, unknown=unknown, average=average)
        expected.backward()
        assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
        torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)


@pytest.mark.parametrize('average', ['labelled', 'all', 'seed'])
def test_class_weights_equal_the_loop(average):
    logits, seeds = make_case(7, k=4)
    class_weight = [0.5, 2.0, 1.0, 3.0]
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss = WSTLoss(class_weight=class_weight, average=average)(ours, seeds)
    expected = brute_force(theirs, seeds, class_weight=class_weight, average=average)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)


def test_sigmoid_form_equals_the_loop():
    logits, seeds = make_case(8, k=4)
    ours, theirs = logits.clone().requires_grad_(), logits.double().requires_grad_()
    loss = WSTLoss(use_sigmoid=True)(ours, seeds)
    expected = brute_force(theirs, seeds, use_sigmoid=True)
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)


def test_a_seed_that_an_image_lacks_does_not_count():
    logits, seeds = make_case(9, k=4)
    present = torch.tensor([[True, False, True, True], [True, True, False, False]])
    seeds[~present] = 255
    loss = WSTLoss()(logits, seeds, present=present)
    assert loss.item() == pytest.approx(
        brute_force(logits, seeds, present=present).item(), abs=1e-6
    )
    without = torch.stack([seeds[0, [0, 2, 3]], seeds[0, [0, 2, 3]]])
    alone = wst_weights(logits, without)[0]
    torch.testing.assert_close(wst_weights(logits, seeds, present=present)[0, [0, 2, 3]], alone)


def test_weights_by_hand():
    # One pixel, prediction is class 1; FACTS of Eq. 6 at s = 1: one of two matching.
    logits = torch.tensor([0.0, 2.0, 1.0]).reshape(1, 3, 1, 1)
    weights = wst_weights(logits, torch.tensor([1, 2]).reshape(1, 2, 1, 1))
    e = math.e
    assert weights.flatten().tolist() == pytest.approx([e / (e + 1), 1 / (e + 1)])
    six_of_twelve = torch.tensor([1] * 6 + [0] * 6).reshape(1, 12, 1, 1)
    weights = wst_weights(logits, six_of_twelve).flatten()
    assert weights[0].item() == pytest.approx(0.1218, abs=1e-4)
    assert weights[6].item() == pytest.approx(0.0448, abs=1e-4)


def test_an_unknown_seed_never_matches_even_where_the_prediction_is_background():
    logits = torch.tensor([5.0, 0.0]).reshape(1, 2, 1, 1)
    seeds = torch.tensor([255, 0, 1]).reshape(1, 3, 1, 1)
    keep = wst_weights(logits, seeds).flatten().tolist()
    e = math.e
    assert keep == pytest.approx([1 / (e + 2), e / (e + 2), 1 / (e + 2)])
    drop = wst_weights(logits, seeds, unknown='drop').flatten().tolist()
    assert drop == pytest.approx([0, e / (e + 1), 1 / (e + 1)])


@pytest.mark.parametrize('label_shape', ['N1HW', 'NHW'])
def test_one_seed_is_cross_entropy(label_shape):
    logits, seeds = make_case(1, k=1, n=3, h=9, w=7)
    label = seeds if label_shape == 'N1HW' else seeds[:, 0]
    weight = torch.rand(3, 9, 7)
    stock = CrossEntropyLoss(avg_non_ignore=True)
    for kwargs in (
        {},
        {'weight': weight},
        {'avg_factor': 17.0},
        {'reduction_override': 'sum'},
        {'reduction_override': 'none'},
    ):
        ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        a = WSTLoss(loss_weight=0.4)(ours, label, ignore_index=255, **kwargs)
        b = 0.4 * stock(theirs, seeds[:, 0], ignore_index=255, **kwargs)
        torch.testing.assert_close(a, b)
        a.sum().backward()
        b.sum().backward()
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_scale_zero_is_the_mean_of_the_seeds_losses():
    logits, seeds = make_case(2, k=5, unknown=0)
    stock = CrossEntropyLoss(avg_non_ignore=True)
    mean = torch.stack([stock(logits, seeds[:, k], ignore_index=255) for k in range(5)]).mean()
    torch.testing.assert_close(WSTLoss(scale=0)(logits, seeds), mean)


def test_the_order_of_the_seeds_changes_nothing():
    logits, seeds = make_case(3, k=6)
    torch.testing.assert_close(
        WSTLoss()(logits, seeds), WSTLoss()(logits, seeds[:, [4, 2, 0, 5, 1, 3]])
    )


def test_slices_of_k_give_the_same_as_all_at_once(monkeypatch):
    logits, seeds = make_case(4, k=7, c=20)
    whole = logits.clone().requires_grad_()
    a = WSTLoss()(whole, seeds)
    a.backward()
    monkeypatch.setattr('mmws.models.wst_loss._AT_ONCE', 0)
    sliced = logits.clone().requires_grad_()
    b = WSTLoss()(sliced, seeds)
    b.backward()
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(whole.grad, sliced.grad)


def test_the_weights_carry_no_gradient():
    logits, seeds = make_case(5)
    logits.requires_grad_()
    assert not wst_weights(logits, seeds).requires_grad
    _, mass = wst_pixel_loss(logits, seeds)
    assert not mass.requires_grad


@pytest.mark.parametrize('average', ['labelled', 'all', 'seed'])
@pytest.mark.parametrize('kwargs', [{}, {'class_weight': [1.0, 2.0, 3.0, 4.0]}])
def test_a_batch_without_any_label_gives_zero_and_zero_gradient(average, kwargs):
    logits = torch.randn(2, CLASSES, 3, 3, requires_grad=True)
    loss = WSTLoss(average=average, **kwargs)(logits, torch.full((2, 3, 3, 3), 255))
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


def test_non_contiguous_input():
    logits, seeds = make_case(11)
    turned = logits.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    turned_seeds = seeds.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2).to(torch.uint8)
    assert not turned.is_contiguous()
    assert not turned_seeds.is_contiguous()
    torch.testing.assert_close(WSTLoss()(turned, turned_seeds), WSTLoss()(logits, seeds))


def test_another_ignore_index():
    logits, seeds = make_case(12)
    negative = torch.where(seeds == 255, torch.tensor(-100), seeds)
    torch.testing.assert_close(
        WSTLoss()(logits, negative, ignore_index=-100), WSTLoss()(logits, seeds)
    )


def test_handed_over_seeds_stand_in_for_the_label_and_keep_its_mask():
    logits, seeds = make_case(13)
    label = torch.zeros(2, 5, 4, dtype=torch.long)
    label[0, :2] = 255
    masked = seeds.clone()
    masked[0, :, :2] = 255
    loss = WSTLoss()
    with hand_over(SeedBatch(seeds.to(torch.uint8))) as batch:
        torch.testing.assert_close(loss(logits, label), loss(logits, masked))
        assert batch.uses == ['WSTLoss']
        # A loss on another grid falls back to its label and is not counted as a use.
        loss(logits[:, :, :3], label[:, :3])
        assert batch.uses == ['WSTLoss']
    torch.testing.assert_close(loss(logits, label), loss(logits, label[:, None]))


def test_it_is_found_by_its_name():
    loss = MODELS.build(dict(type='WSTLoss', scale=2.0, loss_name='loss_main'))
    assert loss.loss_name == 'loss_main'
    assert 'scale=2.0' in repr(loss)


def test_errors_name_what_is_wrong():
    logits, seeds = make_case(14)
    with pytest.raises(ValueError, match=r'matching logits \(2, 4, 5, 4\).*PackMultiSeedInputs'):
        WSTLoss()(logits, seeds.permute(0, 2, 3, 1))
    with pytest.raises(ValueError, match='integer label maps'):
        WSTLoss()(logits, seeds.float())
    seeds[0, 0, 0, 0] = 4
    with pytest.raises(ValueError, match=r'in \[0, 4\) or 255.*found \[4\]'):
        WSTLoss()(logits, seeds)
    with pytest.raises(ValueError, match='must be >= 0'):
        WSTLoss(scale=-1)
    with pytest.raises(ValueError, match="average must be one of labelled, all, seed; got 'mean'"):
        WSTLoss(average='mean')
    with pytest.raises(ValueError, match='no place in the sigmoid form'):
        WSTLoss(use_sigmoid=True, class_weight=[1.0])


def test_warmup_is_the_plain_average_until_its_share_of_the_training_is_done():
    from mmengine.logging import MessageHub

    logits = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    seeds = torch.randint(0, 4, (2, 3, 5, 5), generator=torch.Generator().manual_seed(1))
    late, plain, selective = WSTLoss(warmup=0.5), WSTLoss(scale=0.0), WSTLoss()
    assert not torch.equal(plain(logits, seeds), selective(logits, seeds))
    hub = MessageHub.get_current_instance()
    try:
        hub.update_info('max_iters', 100)
        for iteration, expected in ((0, plain), (49, plain), (50, selective), (99, selective)):
            hub.update_info('iter', iteration)
            assert torch.equal(late(logits, seeds), expected(logits, seeds))
    finally:
        hub.update_info('max_iters', 0)
    assert torch.equal(late(logits, seeds), selective(logits, seeds))
    with pytest.raises(ValueError, match='warmup is a share .*got 3'):
        WSTLoss(warmup=3)


@pytest.mark.parametrize('use_sigmoid', [False, True])
def test_a_balance_shifts_the_prediction_and_nothing_else(use_sigmoid):
    logits, seeds = make_case(3, k=5, h=8, w=8)
    seeds[:, :3] = 0  # mostly background
    loss_of = WSTLoss(balance=1.5, use_sigmoid=use_sigmoid).train()
    ours = logits.clone().requires_grad_()
    loss = loss_of(ours, seeds)
    loss.backward()
    counts = torch.stack([(seeds == c).sum() for c in range(CLASSES)]).double()
    bias = (-1.5 * (counts / counts.sum() + 1e-3).log()).tolist()
    theirs = logits.double().requires_grad_()
    expected = brute_force(theirs, seeds, class_bias=bias, use_sigmoid=use_sigmoid)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-6, rtol=0)
    plain = WSTLoss(use_sigmoid=use_sigmoid)(logits, seeds)
    assert loss.item() != pytest.approx(plain.item(), abs=1e-3)
    weights = wst_weights(logits, seeds, class_bias=loss_of.class_bias)
    assert not torch.equal(weights, wst_weights(logits, seeds))


def test_a_balance_follows_the_labels_slowly_and_stays_out_of_the_state_dict():
    loss = WSTLoss(balance=1.0).train()
    assert loss.class_bias is None and not loss.state_dict()
    logits = torch.zeros(1, 2, 4, 4)
    loss(logits, torch.zeros(1, 3, 4, 4, dtype=torch.long))
    first = loss.class_bias
    assert first[0] < first[1]
    loss(logits, torch.ones(1, 3, 4, 4, dtype=torch.long))
    shares = torch.tensor([0.95, 0.05])
    torch.testing.assert_close(loss.class_bias, -(shares + 1e-3).log())
    loss.eval()
    loss(logits, torch.ones(1, 3, 4, 4, dtype=torch.long))
    torch.testing.assert_close(loss.class_bias, -(shares + 1e-3).log())
    assert not loss.state_dict()
    with pytest.raises(ValueError, match='balance must be >= 0.*got -1'):
        WSTLoss(balance=-1)
