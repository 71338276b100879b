"""LargeFOVHead against a functional re-computation, its numbers, and the grid of its loss."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmws.models import LargeFOVHead, SeedBatch, WSTLoss, hand_over, handed_seeds
from mmws.models.heads.large_fov_head import sample_on_grid


def test_forward_by_hand():
    torch.manual_seed(0)
    head = LargeFOVHead(6, 10, num_classes=5).double().eval()
    features = torch.randn(2, 6, 27, 30, dtype=torch.float64)
    x = F.conv2d(features, head.fc6.weight, head.fc6.bias, padding=12, dilation=12).relu()
    x = F.conv2d(x, head.fc7.weight, head.fc7.bias).relu()
    x = F.conv2d(x, head.conv_seg.weight, head.conv_seg.bias)
    torch.testing.assert_close(head((features,)), x)


def test_without_hidden_layers_it_is_one_dilated_convolution():
    head = LargeFOVHead(8, None, num_classes=5).double().train()
    assert head.conv_seg.weight.shape == (5, 8, 3, 3)
    assert [name for name, _ in head.named_parameters()] == ['conv_seg.weight', 'conv_seg.bias']
    features = torch.randn(1, 8, 29, 26, dtype=torch.float64)
    want = F.conv2d(features, head.conv_seg.weight, head.conv_seg.bias, padding=12, dilation=12)
    torch.testing.assert_close(head((features,)), want)


def test_dropout_is_element_wise_after_both_hidden_layers():
    """With weights that copy, each element is kept twice, with p = 1/4, and scaled by 4."""
    torch.manual_seed(0)
    channels = 4
    head = LargeFOVHead(channels, channels, num_classes=channels).train()
    with torch.no_grad():
        for layer in (head.fc6, head.fc7, head.conv_seg):
            layer.bias.zero_()
            layer.weight.zero_()
            centre = layer.kernel_size[0] // 2
            layer.weight[:, :, centre, centre] = torch.eye(channels)
    out = head((torch.ones(1, channels, 200, 200),))
    assert set(out.unique().tolist()) == {0.0, 4.0}
    assert (out > 0).float().mean() == pytest.approx(0.25, abs=0.01)
    # Element-wise: neighbours are independent, no channel is dropped as a whole.
    assert (out > 0).float().mean((2, 3)).sub(0.25).abs().max() < 0.02
    assert head.eval()((torch.ones(1, channels, 5, 5),)).eq(1).all()


def test_classifier_starts_small_whatever_the_init_cfg():
    half = dict(type='Constant', val=0.5)
    for init_cfg in (None, dict(half, override=dict(name='fc6')), dict(half, layer='Conv2d')):
        head = LargeFOVHead(64, 64, num_classes=21, init_cfg=init_cfg)
        head.init_weights()
        assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert head.conv_seg.bias.eq(0).all()
        assert head.fc6.weight.eq(0.5).all() == (init_cfg is not None)


def samples(labels):
    return [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]


def random_labels(*shape, classes=4):
    labels = torch.randint(0, classes, shape)
    return torch.where(torch.rand(shape) < 0.2, 255, labels)


@pytest.mark.parametrize('cells', [1, 2, 6, 41])
def test_stride_8_is_a_slice(cells):
    labels = torch.randint(0, 256, (2, 3, 8 * cells - 7, 321), dtype=torch.uint8)
    sampled = sample_on_grid(labels, (cells, 41))
    assert sampled.dtype == torch.uint8
    assert torch.equal(sampled, labels[:, :, ::8, ::8])


def test_other_sizes_take_the_nearest_pixel_of_the_aligned_grid():
    columns = torch.arange(10)[None]
    # 9 / 3 = 3 pixels a cell; 9 / 2 = 4.5 in the middle, the later one; 9 / 4 = 2.25.
    assert sample_on_grid(columns, (1, 4)).tolist() == [[0, 3, 6, 9]]
    assert sample_on_grid(columns, (1, 3)).tolist() == [[0, 5, 9]]
    assert sample_on_grid(columns, (1, 5)).tolist() == [[0, 2, 5, 7, 9]]
    assert sample_on_grid(columns, (1, 1)).tolist() == [[0]]


class TestLoss:
    def build(self, **kwargs):
        torch.manual_seed(0)
        return LargeFOVHead(8, 6, num_classes=4, dilation=2, dropout_ratio=0.0, **kwargs)

    def test_loss_is_the_cross_entropy_of_the_sampled_label(self):
        head = self.build()
        features = torch.randn(2, 8, 5, 6)
        labels = random_labels(2, 33, 41)
        losses = head.loss((features,), samples(labels), None)
        logits = head((features,))
        small = labels[:, ::8, ::8]
        # mmseg's default loss divides by all pixels, the ignored ones included.
        want = F.cross_entropy(logits, small, ignore_index=255, reduction='sum') / small.numel()
        torch.testing.assert_close(losses['loss_ce'], want)
        known = small != 255
        hits = (logits.argmax(1) == small)[known].float().mean() * 100
        torch.testing.assert_close(losses['acc_seg'].squeeze(), hits)

    def test_image_resolution_is_mmsegs_own(self):
        head = self.build(loss_at='image')
        features = torch.randn(2, 8, 5, 6)
        labels = random_labels(2, 33, 41)
        logits = F.interpolate(head((features,)), (33, 41), mode='bilinear', align_corners=True)
        want = F.cross_entropy(logits, labels, ignore_index=255, reduction='sum')
        losses = head.loss((features,), samples(labels), None)
        torch.testing.assert_close(losses['loss_ce'], want / labels.numel())

    def test_seeds_are_sampled_with_the_label(self):
        head = self.build(loss_decode=dict(type='WSTLoss', scale=1.0))
        features = torch.randn(2, 8, 5, 6)
        labels = random_labels(2, 33, 41)
        seeds = random_labels(2, 3, 33, 41).to(torch.uint8)
        labels[labels == 255] = 0  # pixels that the label leaves out are left out of the loss
        with hand_over(SeedBatch(seeds)) as batch:
            losses = head.loss((features,), samples(labels), None)
            assert handed_seeds() is batch and batch.seeds is seeds
        want = WSTLoss(scale=1.0)(head((features,)), seeds[:, :, ::8, ::8])
        torch.testing.assert_close(losses['loss_wst'], want)
        assert batch.uses
        other = WSTLoss(scale=1.0)(head((features,)), labels[:, None, ::8, ::8])
        assert (other - want).abs() > 1e-3

    def test_refuses_an_unknown_place(self):
        with pytest.raises(ValueError, match="'feature' or 'image'; got 'logit'"):
            self.build(loss_at='logit')
