"""DSS as a model of mmseg."""

from __future__ import annotations

import torch
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import OptSampleList, SampleList

from .dss_head import Taps

# The released code averages these; a reading of the paper takes sides 2, 3, 4 and fuse.
PAPER_OUTPUTS = ('side3', 'side4', 'side5', 'fuse')


@MODELS.register_module()
class DSS(EncoderDecoder):
    """Deeply supervised salient object detection with short connections (Hou et al., CVPR 2017).

    A trunk (:class:`DSSVGG16`, :class:`DSSResNet`) and :class:`DSSHead`. Predictions hold
    ``pred_saliency`` (1, H, W), floats in [0, 1] at the image's own size, and for the tools of
    mmseg the same as ``seg_logits`` and a mask ``pred_sem_seg``.

    The map is the mean of some outputs, stretched to [0, 1], as set in ``test_cfg``; by default as
    the released code does::

        test_cfg=dict(mode='whole', outputs=('side3', 'side4', 'side5', 'fuse'), min_max=True)

    Raises:
        ValueError: ``test_cfg.outputs`` names an output that the head does not have, or the trunk
            does not have as many maps as the head has sides.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        names = self.decode_head.names
        outputs = self.test_cfg.get('outputs', PAPER_OUTPUTS)
        if not outputs or isinstance(outputs, str) or not set(names).issuperset(outputs):
            raise ValueError(
                f'outputs to fuse: got {outputs!r}; choose one or more of {", ".join(names)}.'
            )
        self.fused = [names.index(name) for name in outputs]
        maps, sides = len(self.backbone.grids), len(names) - 1
        if maps != sides:
            raise ValueError(
                f'{type(self.backbone).__name__} has {maps} maps to tap, the head {sides} sides. '
                'Name the channels of all maps in decode_head.in_channels.'
            )

    def extract_feat(self, inputs: torch.Tensor) -> Taps:
        """Compute the maps that the sides tap, with their place in the image."""
        return Taps(self.backbone(inputs), self.backbone.grids, tuple(inputs.shape[2:]))

    def postprocess_result(
        self, seg_logits: torch.Tensor, data_samples: OptSampleList = None
    ) -> SampleList:
        """Fuse the outputs (N, S, H, W) of the head into saliency maps of the images' own sizes.

        The data samples tell padding, flip and original sizes; without them the maps are as the
        logits. Outputs that are not finite are a ValueError.
        """
        for i, logits in enumerate(seg_logits):
            if not torch.isfinite(logits).all():
                name = data_samples[i].metainfo.get('img_path') if data_samples else None
                raise ValueError(
                    f'DSS gives values that are not finite for {name or "an image"}. Its training '
                    'has diverged, or the precision is too low: take an earlier checkpoint, train '
                    'with a smaller learning rate, or without --amp.'
                )
        fused = seg_logits[:, self.fused].sigmoid().mean(1, keepdim=True)
        # mmseg removes padding, flips and resizes; of one channel it would take a sigmoid.
        samples = super().postprocess_result(torch.cat([1 - fused, fused], 1), data_samples)
        for sample in samples:
            saliency = sample.seg_logits.data[1:]
            # At the image's size: resizing changes the extremes.
            if self.test_cfg.get('min_max', True):  # without contrast nothing stands out
                saliency = saliency - saliency.min()
                saliency = saliency / saliency.max().clamp(min=torch.finfo(saliency.dtype).tiny)
            mask = (saliency >= 0.5).to(saliency)
            sample.pred_saliency = PixelData(data=saliency)
            sample.seg_logits = PixelData(data=saliency)
            sample.pred_sem_seg = PixelData(data=mask)
        return samples
