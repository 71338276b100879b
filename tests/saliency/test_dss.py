"""The network against an independent computation, its wiring by gradients, its predictions."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.saliency import DSSHead

WIRING = {1: {3, 4, 5, 6}, 2: {3, 4, 5, 6}, 3: {5, 6}, 4: {5, 6}, 5: set(), 6: set()}


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
    model = MODELS.build(
        dict(
            type='mmseg.DSS',
            backbone=dict(type='DSSVGG16'),
            decode_head=dict(type='DSSHead', in_channels=[64, 128, 256, 512, 512, 512]),
            test_cfg=dict(mode='whole'),
        )
    )
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


@pytest.mark.parametrize('outputs', [None, ('side2', 'side3', 'side4', 'fuse'), ('side6',)])
def test_prediction_is_the_chosen_fusion_at_the_original_size(build_dss, outputs):
    tiny_dss = build_dss(**({} if outputs is None else dict(outputs=outputs)))
    chosen = {None: [2, 3, 4, 6], ('side6',): [5]}.get(outputs, [1, 2, 3, 6])
    image = torch.randn(1, 3, 40, 50)
    meta = dict(ori_shape=(30, 35), img_shape=(36, 42), padding_size=(0, 8, 0, 4))
    sample = SegDataSample(metainfo=meta)
    with torch.no_grad():
        (sample,) = tiny_dss(image, [sample], mode='predict')
        probabilities = tiny_dss(image).sigmoid()[:, :, :36, :42]
    mean = F.interpolate(probabilities, (30, 35), mode='bilinear')[0, chosen].mean(0)
    expected = (mean - mean.min()) / (mean.max() - mean.min())
    assert torch.allclose(sample.pred_saliency.data[0], expected, atol=1e-6)
    assert torch.equal(sample.pred_sem_seg.data, (sample.pred_saliency.data >= 0.5).float())


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_give_no_map(tiny_dss, value):
    with torch.no_grad():
        tiny_dss.decode_head.fuse.bias.fill_(value)
        sample = SegDataSample(metainfo=dict(img_path='a.jpg', ori_shape=(20, 20)))
        with pytest.raises(ValueError, match='values that are not finite for a.jpg. Its training'):
            tiny_dss(torch.randn(1, 3, 20, 20), [sample], mode='predict')


@pytest.mark.parametrize('outputs', [(), ('side1', 'fuse'), 'fuse'])
def test_a_wrong_choice_of_outputs(build_dss, outputs):
    with pytest.raises(ValueError, match='outputs to fuse: got .*; choose one or more of side2'):
        build_dss('resnet', outputs=outputs)


def test_mistakes_in_the_config_are_named():
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
