"""DeepLabV2Head (ASPP) against a functional re-computation, and its numbers."""

import pytest
import torch
import torch.nn.functional as F

from mmws.models import DeepLabV2Head


def test_forward_is_the_sum_of_its_branches():
    torch.manual_seed(0)
    head = DeepLabV2Head(6, 10, num_classes=5).double().eval()
    features = torch.randn(2, 6, 51, 30, dtype=torch.float64)
    want = torch.zeros(2, 5, 51, 30, dtype=torch.float64)
    for branch, dilation in zip(head.branches, (6, 12, 18, 24), strict=True):
        fc6, fc7, fc8 = branch.fc6, branch.fc7, branch.conv_seg
        x = F.conv2d(features, fc6.weight, fc6.bias, padding=dilation, dilation=dilation).relu()
        x = F.conv2d(x, fc7.weight, fc7.bias).relu()
        want += F.conv2d(x, fc8.weight, fc8.bias)
    torch.testing.assert_close(head((features,)), want)


def test_weights_are_loaded_into_every_branch_and_stay(tmp_path):
    entries = {
        'fc6.weight': torch.randn(16, 4, 3, 3),
        'fc6.bias': torch.randn(16),
        'fc7.weight': torch.randn(16, 16, 1, 1),
        'fc7.bias': torch.randn(16),
    }
    path = tmp_path / 'reduced.pth'
    torch.save(entries, path)
    init_cfg = dict(type='PretrainedVGG16', checkpoint=str(path))
    head = DeepLabV2Head(4, 16, num_classes=21, init_cfg=init_cfg)
    head.init_weights()
    for branch in head.branches:
        for name, value in entries.items():
            assert torch.equal(branch.state_dict()[name], value)
        assert branch.conv_seg.weight.std().item() == pytest.approx(0.01, rel=0.2)
        assert branch.conv_seg.bias.eq(0).all()
    assert not torch.equal(head.branches[0].conv_seg.weight, head.branches[1].conv_seg.weight)


def test_refuses_no_dilation():
    with pytest.raises(ValueError, match='dilations is empty'):
        DeepLabV2Head(4, 4, num_classes=3, dilations=())
