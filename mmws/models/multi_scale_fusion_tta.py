"""Testing at several scales with flip, fused as the paper's author does."""

from __future__ import annotations

import torch
from mmengine.structures import PixelData
from mmseg.models import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList
from torch import Tensor

FUSE = ('logits', 'probabilities')


@MODELS.register_module()
class MultiScaleFusionTTA(SegTTAModel):
    """Fuses the passes at several scales, unflipped and flipped, into one prediction.

    The author's test code (js-fan/CIAN, js-fan/MCIC) resizes the logits of every scale to the
    image, appends their element-wise maximum as one more map, takes the mean, and then the mean of
    the unflipped and the flipped result. ``fuse='probabilities', append_max=False`` is mmseg's own
    ``SegTTAModel``: the mean of all passes' softmax.

    Passes are added up as they are made, all scales of one flip before the next flip, so that at
    most four maps of the image's size are held however many passes there are.

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
        if fuse not in FUSE:
            raise ValueError(f'fuse must be one of {", ".join(FUSE)}; got {fuse!r}.')
        self.fuse = fuse
        self.append_max = append_max

    def test_step(self, data: dict) -> SampleList:
        """Predicts a batch of images that ``TestTimeAug`` has multiplied.

        Args:
            data: ``inputs`` and ``data_samples``, each a list over the passes of lists over the
                images.

        Returns:
            One sample per image.
        """
        flips = [_flip_of(samples[0]) for samples in data['data_samples']]
        passes = sorted(range(len(flips)), key=flips.__getitem__)
        fusions: list[_Fusion] = []
        for index in passes:
            batch = {key: value[index] for key, value in data.items()}
            samples = self.module.test_step(batch)
            fusions = fusions or [_Fusion(self.fuse, self.append_max) for _ in samples]
            for fusion, sample in zip(fusions, samples, strict=True):
                fusion.add(sample, flips[index])
        return [self._decide(fusion) for fusion in fusions]

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """Fuses predictions that were made already, a list over images of lists over passes."""
        merged = []
        for samples in data_samples_list:
            fusion = _Fusion(self.fuse, self.append_max)
            for sample in sorted(samples, key=_flip_of):
                fusion.add(sample, _flip_of(sample))
            merged.append(self._decide(fusion))
        return merged

    def _decide(self, fusion: _Fusion) -> SegDataSample:
        sample, logits = fusion.sample, fusion.result()
        if logits.shape[0] == 1:
            label = (logits > self.module.decode_head.threshold).to(logits)
        else:
            label = logits.argmax(0, keepdim=True)
        sample.set_data(dict(seg_logits=PixelData(data=logits), pred_sem_seg=PixelData(data=label)))
        return sample


class _Fusion:
    """The passes of one image so far; they come flip by flip."""

    def __init__(self, fuse: str, append_max: bool):
        self.fuse = fuse
        self.append_max = append_max
        self.sample: SegDataSample | None = None
        self._flip: str | None = None
        self._scales = 0
        self._flips = 0
        self._total: Tensor | None = None
        self._sum: Tensor | None = None
        self._max: Tensor | None = None

    def add(self, sample: SegDataSample, flip: str) -> None:
        scores = sample.seg_logits.data.float()
        if self.fuse == 'probabilities' and scores.shape[0] > 1:
            scores = scores.softmax(0)
        if self.sample is None:
            self.sample = sample
        if flip != self._flip:
            self._close_flip()
            self._flip = flip
        if self._sum is None:
            self._sum = scores.clone()
            self._max = scores.clone() if self.append_max else None
        else:
            self._sum += scores
            if self.append_max:
                torch.maximum(self._max, scores, out=self._max)
        self._scales += 1

    def result(self) -> Tensor:
        """(C, H, W) float32: logits, or the probability of a model with one channel."""
        self._close_flip()
        fused = self._total / self._flips
        if self.fuse == 'probabilities' and fused.shape[0] > 1:
            # With the maximum appended they no longer sum to 1; a softmax of the logarithm does.
            fused = fused.clamp_(min=torch.finfo(fused.dtype).tiny).log_()
        return fused

    def _close_flip(self) -> None:
        if self._sum is None:
            return
        if self.append_max:
            self._sum += self._max
            self._scales += 1
        self._sum /= self._scales
        self._total = self._sum if self._total is None else self._total.add_(self._sum)
        self._flips += 1
        self._sum = self._max = None
        self._scales = 0


def _flip_of(sample: SegDataSample) -> str:
    """'' (sorts first), 'horizontal' or 'vertical'."""
    if not sample.metainfo.get('flip', False):
        return ''
    return sample.metainfo['flip_direction']
