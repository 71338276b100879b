import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.models import MultiScaleFusionTTA

FLIPS = ((False, None), (True, 'horizontal'))


class _Recorded(nn.Module):
    """Stands for a segmentor: gives the logits that a pass's input holds."""

    def __init__(self, out_channels=3):
        super().__init__()
        self.out_channels = out_channels
        self.decode_head = nn.Identity()
        self.decode_head.threshold = 0.5

    def test_step(self, data):
        for logits, sample in zip(data['inputs'], data['data_samples'], strict=True):
            sample.set_data(dict(seg_logits=PixelData(data=logits)))
        return data['data_samples']


def passes(*scales):
    """As TestTimeAug gives them: for each scale the logits of one image, unflipped and flipped."""
    inputs = [[logits] for scale in scales for logits in scale]
    flips = [dict(flip=flip, flip_direction=way) for _ in scales for flip, way in FLIPS]
    samples = [[SegDataSample(metainfo={**flip, 'img_path': 'a.jpg'})] for flip in flips]
    return dict(inputs=inputs, data_samples=samples)


def random_scales():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 2, 2, generator=generator).half() for _ in range(3)]


def test_author_fusion_by_hand():
    # One pixel, two classes. Scales give 1, 2, 6 and 4, 0, 2 unflipped; all of them 1 flipped.
    scales = [
        (torch.tensor(value).reshape(2, 1, 1), torch.ones(2, 1, 1))
        for value in ((1.0, 4.0), (2.0, 0.0), (6.0, 2.0))
    ]
    # Unflipped: (1 + 2 + 6 + max 6) / 4 = 3.75 and (4 + 0 + 2 + max 4) / 4 = 2.5; with 1: halves.
    model = MultiScaleFusionTTA(module=_Recorded(2))
    forth, back = passes(*scales), {key: value[::-1] for key, value in passes(*scales).items()}
    for data in (forth, back):
        (merged,) = model.test_step(data)
        assert merged.seg_logits.data.flatten().tolist() == [(3.75 + 1) / 2, (2.5 + 1) / 2]
        assert merged.pred_sem_seg.data.tolist() == [[[0]]]
        assert merged.metainfo['flip'] is False


def test_probabilities_agree_with_mmseg():
    scales = [logits.float() for logits in random_scales()]
    (stock,) = SegTTAModel(module=_Recorded()).test_step(passes(*scales))
    model = MultiScaleFusionTTA(module=_Recorded(), fuse='probabilities', append_max=False)
    (merged,) = model.test_step(passes(*scales))
    expected = torch.stack(scales).softmax(2).mean((0, 1))
    torch.testing.assert_close(merged.seg_logits.data.softmax(0), expected)
    assert torch.equal(merged.pred_sem_seg.data, stock.pred_sem_seg.data)


@pytest.mark.parametrize('fuse', ['logits', 'probabilities'])
def test_one_channel_gives_mean_probability(fuse):
    pair = torch.full((1, 2, 2), 0.2), torch.full((1, 2, 2), 0.9)
    model = MultiScaleFusionTTA(module=_Recorded(1), fuse=fuse)
    (merged,) = model.test_step(passes(pair))
    torch.testing.assert_close(merged.seg_logits.data, torch.full((1, 2, 2), 0.55))
    assert (merged.pred_sem_seg.data == 1).all()


def test_unknown_fuse_is_refused():
    with pytest.raises(ValueError, match="'logits' or 'probabilities'; got 'mean'"):
        MODELS.build(dict(type='MultiScaleFusionTTA', module=_Recorded(), fuse='mean'))
