"""PointRend's head, with the seeds at its points."""

from __future__ import annotations

from mmcv.ops import point_sample
from mmseg.utils import SampleList
from torch import Tensor

from .hand_over import hand_over, handed_seeds


class SeedsAtPoints:
    """Samples the seeds at the points of a ``PointHead``, where its loss is computed.

    The label at the points is sampled by mmseg; this samples the handed-over seeds there too.
    """

    def loss_by_feat(
        self, point_logits: Tensor, points: Tensor, batch_data_samples: SampleList, **kwargs
    ) -> dict:
        handed = handed_seeds()
        if handed is None:
            return super().loss_by_feat(point_logits, points, batch_data_samples, **kwargs)
        seeds = point_sample(
            handed.seeds.float(), points, mode='nearest', align_corners=self.align_corners
        )
        with hand_over(handed.resampled(seeds.to(handed.seeds.dtype).unsqueeze(-1))):
            return super().loss_by_feat(point_logits, points, batch_data_samples, **kwargs)
