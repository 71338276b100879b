import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.models import MultiScaleFusionTTA


class _Recorded(nn.Module):
    """Stands for a segmentor: gives the logits that a pass's input holds."""

    def __init__(self, out_channels=3):
        super().__init__()
        self.out_channels = out_channels
        self.decode_head = nn.Identity()
        self.decode_head.threshold = 0.5
        self.seen = []

    def test_step(self, data):
        for logits, sample in zip(data['inputs'], data['data_samples'], strict=True):
            self.seen.append((float(logits.flatten()[0]), sample.metainfo['flip']))
            sample.set_data(dict(seg_logits=PixelData(data=logits)))
        return data['data_samples']


def _sample(flip, name='a.jpg'):
    return SegDataSample(
        metainfo=dict(
            flip=flip,
            flip_direction='horizontal' if flip else None,
            img_path=name,
            ori_shape=(2, 2),
        )
    )


def _passes(scales=3, images=2, channels=3, seed=0):
    """As TestTimeAug gives them: scale by scale, each unflipped and then flipped."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for _ in range(scales):
        for flip in (False, True):
            inputs.append([torch.randn(channels, 2, 2, generator=generator) for _ in range(images)])
            samples.append([_sample(flip, f'{i}.jpg') for i in range(images)])
    return dict(inputs=inputs, data_samples=samples)


def test_author_fusion_by_hand():
    # One pixel, two classes. Scales give 1, 2, 6 and 4, 0, 2 unflipped; all of them 1 flipped.
    values = [(1.0, 4.0), (2.0, 0.0), (6.0, 2.0)]
    inputs, samples = [], []
    for value in values:
        for flip in (False, True):
            logits = (1.0, 1.0) if flip else value
            inputs.append([torch.tensor(logits).reshape(2, 1, 1)])
            samples.append([_sample(flip)])
    model = MultiScaleFusionTTA(module=_Recorded(2))
    samples = samples[::-1]  # flipped ones first
    inputs = inputs[::-1]
    (merged,) = model.test_step(dict(inputs=inputs, data_samples=samples))
    # Unflipped: (1 + 2 + 6 + max 6) / 4 = 3.75 and (4 + 0 + 2 + max 4) / 4 = 2.5; with 1: halves.
    assert merged.seg_logits.data.flatten().tolist() == [(3.75 + 1) / 2, (2.5 + 1) / 2]
    assert merged.pred_sem_seg.data.shape == (1, 1, 1)
    assert merged.pred_sem_seg.data.item() == 0
    assert merged.metainfo['flip'] is False


def test_probabilities_agree_with_mmseg():
    data = _passes(seed=3)
    stock = SegTTAModel(module=_Recorded())
    expected = [
        torch.stack([logits[i].softmax(0) for logits in data['inputs']]).mean(0) for i in range(2)
    ]
    ours = MultiScaleFusionTTA(module=_Recorded(), fuse='probabilities', append_max=False)
    merged = ours.test_step(data)
    labels = [sample.pred_sem_seg.data for sample in stock.test_step(_passes(seed=3))]
    for sample, probability, label in zip(merged, expected, labels, strict=True):
        torch.testing.assert_close(sample.seg_logits.data.softmax(0), probability)
        assert torch.equal(sample.pred_sem_seg.data, label)


@pytest.mark.parametrize('fuse', ['logits', 'probabilities'])
def test_order_of_passes_and_merge_preds_change_nothing(fuse):
    model = MultiScaleFusionTTA(module=_Recorded(), fuse=fuse)
    expected = model.test_step(_passes(seed=1))
    data = _passes(seed=1)
    shuffled = {key: value[::-1] for key, value in _passes(seed=1).items()}
    made = [model.module.test_step({k: v[i] for k, v in data.items()}) for i in range(6)]
    for others in (model.test_step(shuffled), model.merge_preds(list(zip(*made, strict=True)))):
        for sample, other in zip(expected, others, strict=True):
            torch.testing.assert_close(sample.seg_logits.data, other.seg_logits.data)


def test_half_precision_is_fused_in_float32():
    data = _passes(images=1)
    data['inputs'] = [[logits[0].half()] for logits in data['inputs']]
    (merged,) = MultiScaleFusionTTA(module=_Recorded()).test_step(data)
    assert merged.seg_logits.data.dtype == torch.float32


def test_one_channel_gives_mean_probability():
    inputs = [[torch.full((1, 2, 2), p)] for p in (0.2, 0.9)]
    data = dict(inputs=inputs, data_samples=[[_sample(False)], [_sample(False)]])
    for fuse in ('logits', 'probabilities'):
        model = MultiScaleFusionTTA(module=_Recorded(1), fuse=fuse, append_max=False)
        (merged,) = model.test_step(dict(data))
        torch.testing.assert_close(merged.seg_logits.data, torch.full((1, 2, 2), 0.55))
        assert (merged.pred_sem_seg.data == 1).all()


def test_unknown_fuse_is_refused():
    with pytest.raises(ValueError, match="'logits' or 'probabilities'; got 'mean'"):
        MODELS.build(dict(type='MultiScaleFusionTTA', module=_Recorded(), fuse='mean'))
