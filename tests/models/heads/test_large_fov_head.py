"""LargeFOVHead against a functional re-computation, and its numbers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmws.models import LargeFOVHead


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
    for init_cfg in (None, dict(type='Constant', val=0.5, override=dict(name='fc6'))):
        head = LargeFOVHead(64, 64, num_classes=21, init_cfg=init_cfg)
        head.init_weights()
        assert head.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert head.conv_seg.bias.eq(0).all()
        assert head.fc6.weight.eq(0.5).all() == (init_cfg is not None)


def test_a_whole_checkpoint_has_the_last_word(tmp_path):
    trained = LargeFOVHead(8, 8, num_classes=3)
    nn.init.constant_(trained.conv_seg.weight, 0.25)
    path = tmp_path / 'head.pth'
    torch.save(trained.state_dict(), path)
    head = LargeFOVHead(8, 8, num_classes=3, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    head.init_weights()
    assert head.conv_seg.weight.eq(0.25).all()
