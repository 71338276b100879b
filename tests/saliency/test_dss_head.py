import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmws.saliency.dss_head import deep_supervision_losses


def test_loss_by_hand():
    """-log sigmoid(0) = log 2 for both labels; -log(0.75) and -log(0.25) at logit log 3."""
    logits = torch.tensor([[[[0.0, 0.0, 5.0]], [[math.log(3)] * 3]]])
    labels = torch.tensor([[[1, 0, 255]]])
    losses = deep_supervision_losses(logits, labels)
    expected = [math.log(2), -(math.log(0.75) + math.log(0.25)) / 2]
    assert losses.tolist() == pytest.approx(expected)
    # Nothing known: zero, and no gradient.
    logits.requires_grad_()
    loss = deep_supervision_losses(logits, torch.full((1, 1, 3), 255)).sum()
    loss.backward()
    assert loss.item() == 0 and not logits.grad.any()


def test_all_outputs_are_supervised(tiny_dss):
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, 32, 40))))
    image = torch.randn(1, 3, 32, 40)
    losses = tiny_dss(image, [sample], mode='loss')
    assert list(losses) == [f'decode.loss_side{i}' for i in range(1, 7)] + ['decode.loss_fuse']
    logits = tiny_dss(image)
    label = sample.gt_sem_seg.data.float()
    for index, loss in enumerate(losses.values()):
        expected = F.binary_cross_entropy_with_logits(logits[:, index], label)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in tiny_dss.parameters())
