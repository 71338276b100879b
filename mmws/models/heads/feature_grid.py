"""The loss on the grid of the logits, as DeepLab and the paper compute it (Eq. 4)."""

from __future__ import annotations

import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample
from torch import Tensor

from ..hand_over import hand_over, handed_seeds


def sample_on_grid(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Pick from label maps (..., H, W) the pixels on which (h, w) cells of a feature map centre.

    The grid is that of ``align_corners=True``: first and last cell lie on first and last pixel. A
    crop of 8 n + 1 pixels and n + 1 cells gives exactly ``maps[..., ::8, ::8]``. Elsewhere the
    nearest pixel is taken, the later one where two are equally near. Labels are never mixed.
    """
    rows = _grid(maps.shape[-2], size[0], maps.device)
    columns = _grid(maps.shape[-1], size[1], maps.device)
    return maps[..., rows[:, None], columns]


def _grid(pixels: int, cells: int, device: torch.device) -> Tensor:
    """(cells,) round(i (pixels - 1) / (cells - 1)), in integers so that it is exact."""
    spacing = max(cells - 1, 1)
    cell = torch.arange(cells, device=device)
    return (2 * cell * (pixels - 1) + spacing) // (2 * spacing)


class FeatureGridHead(BaseDecodeHead):
    """A decode head whose loss may be computed on the grid of its logits.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of the hidden layers; None for none.
        loss_at: Where the loss is computed: ``'feature'`` (labels and handed-over seeds sampled on
            the grid of the logits, as in the paper) or ``'image'`` (logits resized to the label,
            mmseg's way).
        align_corners: How logits are resized to the image. True fits ``loss_at='feature'``.
        **kwargs: Of mmseg's ``BaseDecodeHead`` (``num_classes``, ``loss_decode``, ...).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None,
        *,
        loss_at: str = 'feature',
        align_corners: bool = True,
        **kwargs,
    ):
        super().__init__(
            in_channels,
            channels or in_channels,
            # mmseg's own dropout drops whole channels; DeepLab's drops elements.
            dropout_ratio=0,
            align_corners=align_corners,
            **kwargs,
        )
        if loss_at not in ('feature', 'image'):
            raise ValueError(f"loss_at must be 'feature' or 'image'; got {loss_at!r}.")
        self.loss_at = loss_at

    def loss_by_feat(
        self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """Compute mmseg's losses and accuracy, on the grid that ``loss_at`` names."""
        if self.loss_at == 'image':
            return super().loss_by_feat(seg_logits, batch_data_samples)
        size = tuple(seg_logits.shape[2:])
        labels = [sample_on_grid(sample.gt_sem_seg.data, size) for sample in batch_data_samples]
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        batch = handed_seeds()
        if batch is not None:
            batch = batch.resampled(sample_on_grid(batch.seeds, size))
        with hand_over(batch):
            return super().loss_by_feat(seg_logits, samples)
