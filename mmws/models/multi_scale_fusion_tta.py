"""Testing at several scales with flip, fused as the paper's author does."""

from __future__ import annotations

from functools import reduce

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor


@MODELS.register_module()
class MultiScaleFusionTTA(SegTTAModel):
    """Fuse the passes at several scales, unflipped and flipped, into one prediction.

    The author's test code (js-fan/CIAN, js-fan/MCIC) resizes the logits of every scale to the
    image, appends their element-wise maximum as one more map, takes the mean, and then the mean of
    the unflipped and the flipped result. ``fuse='probabilities', append_max=False`` is mmseg's own
    ``SegTTAModel``: the mean of all passes' softmax.

    The merged sample holds ``pred_sem_seg`` (1, H, W) and ``seg_logits`` (C, H, W) float32, both in
    the image's own size. The softmax of ``seg_logits`` is the fused probability for either
    ``fuse``, so a metric can treat it as the output of a single pass. A model with one output
    channel gives probabilities, as it does in mmseg, and these are what is fused.

    Args:
        fuse: What is averaged: ``'logits'`` (the author) or ``'probabilities'``.
        append_max: Whether the maximum over the scales joins the average.
        **kwargs: ``module`` and ``data_preprocessor``, as in mmengine's ``BaseTTAModel``.

    Example:
        >>> tta_model = dict(type='MultiScaleFusionTTA')  # python tools/test.py ... --tta
    """

    def __init__(self, *, fuse: str = 'logits', append_max: bool = True, **kwargs):
        super().__init__(**kwargs)
        if fuse not in ('logits', 'probabilities'):
            raise ValueError(f"fuse must be 'logits' or 'probabilities'; got {fuse!r}.")
        self.fuse = fuse
        self.append_max = append_max

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """Fuse predictions, a list over images of lists over passes."""
        return [self._fuse(samples) for samples in data_samples_list]

    def _fuse(self, samples: SampleList) -> SegDataSample:
        flips: dict[str, list[Tensor]] = {}
        for sample in samples:
            scores = sample.seg_logits.data.float()
            if self.fuse == 'probabilities' and len(scores) > 1:
                scores = scores.softmax(0)
            flips.setdefault(_flip_of(sample), []).append(scores)
        fused = sum(map(self._mean, flips.values())) / len(flips)
        if len(fused) == 1:
            label = (fused > self.module.decode_head.threshold).to(fused)
        else:
            label = fused.argmax(0, keepdim=True)
            if self.fuse == 'probabilities':
                # With the maximum appended they do not sum to 1; a softmax of the logarithm does.
                fused = fused.clamp_(min=torch.finfo(fused.dtype).tiny).log_()
        merged = min(samples, key=_flip_of)  # the unflipped one
        merged.set_data(dict(seg_logits=PixelData(data=fused), pred_sem_seg=PixelData(data=label)))
        return merged

    def _mean(self, scales: list[Tensor]) -> Tensor:
        total, count = sum(scales), len(scales)
        if self.append_max:
            total, count = total + reduce(torch.maximum, scales), count + 1
        return total / count


def _flip_of(sample: SegDataSample) -> str:
    """'' (sorts first), 'horizontal' or 'vertical'."""
    return sample.metainfo['flip_direction'] if sample.metainfo.get('flip') else ''
