"""The network against an independent computation, its wiring by gradients, its predictions."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.saliency import DSSHead
from mmws.saliency.dss_head import SIDES

WIRING = {1: {3, 4, 5, 6}, 2: {3, 4, 5, 6}, 3: {5, 6}, 4: {5, 6}, 5: set(), 6: set()}


def side_maps(model, image):
    """The map that each side passes on, recorded while the model runs."""
    maps = {}
    handles = [
        getattr(model.decode_head, f'side{i}').register_forward_hook(
            lambda _, __, output, i=i: maps.__setitem__(i, output)
        )
        for i in range(model.decode_head.first, 7)
    ]
    logits = model(image)
    for handle in handles:
        handle.remove()
    return maps, logits


def by_hand(weights, image):
    """DSS from its weights alone: plain convolutions, and grid_sample for the upsampling."""

    def conv(x, name, padding):
        return F.conv2d(x, weights[f'{name}.weight'], weights[f'{name}.bias'], padding=padding)

    def move(x, stride, offset, to_stride, to_offset, size):
        """Samples x, whose cell i lies at stride * i + offset, with torch's own sampler."""
        axes = []
        for cells, count in zip(x.shape[2:], size, strict=True):
            at = (torch.arange(count) * to_stride + to_offset - offset) / stride
            axes.append(2 * at / (cells - 1) - 1 if cells > 1 else at * 0)
        rows, columns = torch.meshgrid(*axes, indexing='ij')
        grid = torch.stack([columns, rows], -1)[None].float().expand(len(x), -1, -1, -1)
        return F.grid_sample(x, grid, padding_mode='border', align_corners=True)

    x, taps = image, []
    for stage, depth in enumerate((2, 2, 3, 3, 3), 1):
        for index in range(1, depth + 1):
            first = stage == index == 1
            x = conv(x, f'backbone.conv{stage}_{index}', 5 if first else 1).relu()
        taps.append(x)
        if stage < 4:
            x = F.max_pool2d(x, 2, ceil_mode=True)
        else:
            x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    taps.append(F.avg_pool2d(x, 3, 1, 1))
    strides = (1, 2, 4, 8, 16, 32)
    offsets = (-4, -3.5, -2.5, -0.5, -0.5, -0.5)

    maps = {}
    for side in (6, 5, 4, 3, 2, 1):
        head, at = f'decode_head.side{side}', side - 1
        padding = {6: 3, 5: 2, 4: 2, 3: 2, 2: 1, 1: 1}[side]
        x = conv(taps[at], f'{head}.conv1.conv', padding).relu()
        x = conv(conv(x, f'{head}.conv2.conv', padding).relu(), f'{head}.score', 0)
        received = [
            move(maps[d], strides[d - 1], offsets[d - 1], strides[at], offsets[at], x.shape[2:])
            for d in sorted(WIRING[side], reverse=True)
        ]
        if received:
            x = conv(torch.cat([x, *received], 1), f'{head}.combine', 0)
        maps[side] = x
    outputs = [
        move(maps[side], strides[side - 1], offsets[side - 1], 1, 0, image.shape[2:])
        for side in (1, 2, 3, 4, 5, 6)
    ]
    outputs = torch.cat(outputs, 1)
    return torch.cat([outputs, conv(outputs, 'decode_head.fuse', 0)], 1)


@pytest.mark.parametrize('size', [(64, 64), (37, 53), (96, 21)])
def test_equals_a_plain_computation_from_the_same_weights(tiny_dss, size):
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = tiny_dss(image)
        expected = by_hand(tiny_dss.state_dict(), image)
    assert logits.shape == (2, 7, *size)
    # Every output has contrast, so that equality says something about it.
    assert (logits.flatten(2).std(-1) > 1e-3).all()
    assert (logits - expected).abs().max() <= 1e-5 * expected.abs().max()


def received_by(model, side):
    """The sides whose maps a side gets at first hand.

    What sides pass on is cut from where it came from, so that no gradient takes the way through a
    third side.
    """
    made, passed_on = {}, {}

    def cut(index):
        def hook(_, __, output):
            made[index] = output
            passed_on[index] = output.detach().requires_grad_()
            return passed_on[index]

        return hook

    handles = [
        getattr(model.decode_head, f'side{i}').register_forward_hook(cut(i)) for i in range(1, 7)
    ]
    model(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2)))
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(
        made[side].square().sum(), [passed_on[i] for i in range(1, 7)], allow_unused=True
    )
    return {i for i, g in enumerate(gradients, 1) if g is not None and g.abs().sum() > 0}


@pytest.mark.parametrize('side', range(1, 7))
def test_which_side_receives_which(tiny_dss, side):
    assert received_by(tiny_dss, side) == WIRING[side]


@pytest.mark.parametrize('side', [1, 2])
def test_what_arrives_through_other_sides_does_not_count(build_dss, monkeypatch, side):
    """Sides 6 and 5 reach sides 2 and 1 through 4 and 3 too, which is not their wiring."""
    factor, kernel, _ = SIDES[side]
    monkeypatch.setitem(SIDES, side, (factor, kernel, (4, 3)))
    assert received_by(build_dss(), side) == {4, 3} != WIRING[side]


@pytest.mark.parametrize('index', range(7))
def test_outputs_come_from_their_own_side(tiny_dss, index):
    maps, logits = side_maps(tiny_dss, torch.randn(1, 3, 64, 64))
    # The convolutions of one side, which no other side shares.
    own = [getattr(tiny_dss.decode_head, f'side{i}').score.weight for i in range(1, 7)]
    gradients = torch.autograd.grad(logits[:, index].square().sum(), own, allow_unused=True)
    reached = {i for i, g in enumerate(gradients, 1) if g is not None and g.abs().sum() > 0}
    side = index + 1
    assert reached == (set(range(1, 7)) if side == 7 else {side} | WIRING[side])


@pytest.mark.parametrize('trunk', ['vgg16', 'resnet'])
@pytest.mark.parametrize('size', [(1, 1), (2, 31), (33, 65), (50, 47)])
def test_any_size(build_dss, trunk, size):
    model = build_dss(trunk)
    (sample,) = model(torch.randn(1, 3, *size), mode='predict')
    assert sample.pred_saliency.data.shape == (1, *size)
    assert torch.isfinite(sample.pred_saliency.data).all()


def test_resnet_has_no_side_1(build_dss):
    model = build_dss('resnet')
    assert model.decode_head.names == ('side2', 'side3', 'side4', 'side5', 'side6', 'fuse')
    assert model(torch.randn(1, 3, 40, 40)).shape == (1, 6, 40, 40)
    assert model.decode_head.side2.combine.in_channels == 5


@pytest.mark.parametrize('trunk', ['vgg16', 'resnet'])
def test_grids_are_the_centres_of_the_receptive_fields(build_dss, trunk, monkeypatch):
    """The pixels that one cell sees lie symmetrically around the place that its grid names."""
    # A maximum has a gradient at one pixel only; a mean over the same window at all.
    monkeypatch.setattr(F, 'max_pool2d', mean_instead_of_max)
    backbone = build_dss(trunk).backbone
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.fill_(0.1)
    image = torch.ones(1, 3, 1200, 4, dtype=torch.float64, requires_grad=True)
    for feature, grid in zip(backbone.double()(image), backbone.grids, strict=True):
        cell = round(600 / grid.stride)
        (gradient,) = torch.autograd.grad(feature[0, 0, cell].sum(), image, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        assert 0 < seen[0] < seen[-1] < 1199
        assert (seen[0] + seen[-1]).item() / 2 == grid.stride * cell + grid.offset


def mean_instead_of_max(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **_):
    return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)


def test_published_size_and_initialisation():
    model = build_full()
    # The released network has 62.2 million parameters.
    assert sum(p.numel() for p in model.parameters()) == 62_225_505
    model.decode_head.init_weights()
    head = model.decode_head
    assert torch.allclose(head.fuse.weight, torch.full_like(head.fuse.weight, 1 / 6))
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            assert not module.bias.any()
    for side in (1, 3, 6):
        weight = getattr(head, f'side{side}').conv2.conv.weight
        assert weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert weight.mean().abs() < 1e-3


def build_full():
    return MODELS.build(
        dict(
            type='mmseg.DSS',
            backbone=dict(type='DSSVGG16'),
            decode_head=dict(type='DSSHead', in_channels=[64, 128, 256, 512, 512, 512]),
            test_cfg=dict(mode='whole'),
        )
    )


def test_prediction_is_the_chosen_fusion_at_the_original_size(tiny_dss):
    image = torch.randn(1, 3, 40, 50)
    meta = dict(ori_shape=(30, 35), img_shape=(36, 42), padding_size=(0, 8, 0, 4))
    sample = SegDataSample(metainfo=meta)
    with torch.no_grad():
        (sample,) = tiny_dss(image, [sample], mode='predict')
        probabilities = tiny_dss(image).sigmoid()[:, :, :36, :42]
    mean = F.interpolate(probabilities, (30, 35), mode='bilinear')[0, [2, 3, 4, 6]].mean(0)
    expected = (mean - mean.min()) / (mean.max() - mean.min())
    assert torch.allclose(sample.pred_saliency.data[0], expected, atol=1e-6)
    assert torch.equal(sample.pred_sem_seg.data, (sample.pred_saliency.data >= 0.5).float())


def test_stretched_at_the_original_size(tiny_dss):
    """Enlarging blends the extremes away; the map has them all the same."""
    meta = dict(ori_shape=(77, 91), img_shape=(24, 30))
    with torch.no_grad():
        (sample,) = tiny_dss(
            torch.randn(1, 3, 24, 30), [SegDataSample(metainfo=meta)], mode='predict'
        )
    saliency = sample.pred_saliency.data
    assert saliency.shape == (1, 77, 91)
    assert (saliency.min(), saliency.max()) == (0, 1)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_give_no_map(tiny_dss, value):
    with torch.no_grad():
        tiny_dss.decode_head.fuse.bias.fill_(value)
        sample = SegDataSample(metainfo=dict(img_path='a.jpg', ori_shape=(20, 20)))
        with pytest.raises(ValueError, match='values that are not finite for a.jpg. Its training'):
            tiny_dss(torch.randn(1, 3, 20, 20), [sample], mode='predict')


def test_flipped_input_is_turned_back(tiny_dss):
    image = torch.randn(1, 3, 40, 50)
    meta = dict(ori_shape=(40, 50), img_shape=(40, 50), flip=True, flip_direction='horizontal')
    with torch.no_grad():
        (turned,) = tiny_dss(image, [SegDataSample(metainfo=meta)], mode='predict')
        (plain,) = tiny_dss(image, mode='predict')
    assert torch.allclose(turned.pred_saliency.data, plain.pred_saliency.data.flip(2), atol=1e-6)


def test_slide_mode(build_dss):
    model = build_dss()
    model.test_cfg.update(mode='slide', crop_size=(32, 32), stride=(32, 32))
    meta = dict(ori_shape=(32, 64), img_shape=(32, 64))
    image = torch.randn(1, 3, 32, 64)
    with torch.no_grad():
        logits = model.inference(image, [dict(meta)])
        halves = [model(image[..., :32]), model(image[..., 32:])]
    assert torch.allclose(logits, torch.cat(halves, 3), atol=1e-5)


def test_mistakes_in_the_config_are_named(build_dss):
    with pytest.raises(ValueError, match=r"got \('side1', 'fuse'\); choose one or more of side2"):
        build_dss('resnet', outputs=('side1', 'fuse'))
    with pytest.raises(ValueError, match='in_channels names the tapped maps .* got 4'):
        DSSHead([4, 4, 4, 4])
    with pytest.raises(ValueError, match='DSSVGG16 has 6 maps to tap, the head 5 sides'):
        MODELS.build(
            dict(
                type='mmseg.DSS',
                backbone=dict(type='DSSVGG16', base_channels=2),
                decode_head=dict(type='DSSHead', in_channels=[4, 8, 16, 16, 16], base_channels=2),
                test_cfg=dict(mode='whole'),
            )
        )
    with pytest.raises(TypeError, match='strides is fixed'):
        MODELS.build(dict(type='mmseg.DSSResNet', strides=(1, 2, 1, 1)))
