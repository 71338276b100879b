"""Labels and seeds on the grid of the logits."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmws.models import LargeFOVHead, SeedBatch, WSTLoss, hand_over, handed_seeds
from mmws.models.heads import sample_on_grid


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


class TestHead:
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
