"""The loss on the grid of the logits, as DeepLab and the paper compute it (Eq. 4)."""

from __future__ import annotations

import contextlib

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from ..hand_over import hand_over, handed_seeds

LOSS_AT = ('feature', 'image')


def sample_on_grid(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Picks from label maps the pixels on which the cells of a feature map are centred.

    The grid is that of ``align_corners=True``: first and last cell lie on first and last pixel. A
    crop of 8 n + 1 pixels and n + 1 cells gives exactly ``maps[..., ::8, ::8]``. Elsewhere the
    nearest pixel is taken, the later one where two are equally near. Labels are never mixed.

    Args:
        maps: (..., H, W), any dtype.
        size: (h, w) of the feature map.

    Returns:
        (..., h, w), same dtype.
    """
    rows = _grid(maps.shape[-2], size[0], maps.device)
    columns = _grid(maps.shape[-1], size[1], maps.device)
    return maps[..., rows[:, None], columns]


def _grid(pixels: int, cells: int, device: torch.device) -> Tensor:
    """(cells,) round(i (pixels - 1) / (cells - 1)), in integers so that it is exact."""
    spacing = max(cells - 1, 1)
    cell = torch.arange(cells, device=device)
    return (2 * cell * (pixels - 1) + spacing) // (2 * spacing)


class FeatureGridLoss:
    """Mixed into a decode head, in front of ``BaseDecodeHead``: where its loss is computed.

    ``loss_at='feature'`` samples the label and the handed-over seeds on the grid of the logits
    (:func:`sample_on_grid`); ``'image'`` is mmseg's way, the logits are resized to the label.
    """

    loss_at: str

    def _set_loss_at(self, loss_at: str) -> None:
        if loss_at not in LOSS_AT:
            raise ValueError(f'loss_at must be one of {", ".join(LOSS_AT)}; got {loss_at!r}.')
        self.loss_at = loss_at

    def loss_by_feat(
        self, seg_logits: Tensor, batch_data_samples: list[SegDataSample]
    ) -> dict[str, Tensor]:
        """mmseg's losses and accuracy, on the grid that ``loss_at`` names.

        Args:
            seg_logits: (N, C, h, w).
            batch_data_samples: N samples with ``gt_sem_seg`` (1, H, W); they are not changed.

        Raises:
            ValueError: The seeds are not on the label's grid.
        """
        if self.loss_at == 'image':
            return super().loss_by_feat(seg_logits, batch_data_samples)
        size = tuple(seg_logits.shape[2:])
        sampled = []
        for sample in batch_data_samples:
            label = PixelData(data=sample_on_grid(sample.gt_sem_seg.data, size))
            sampled.append(SegDataSample(gt_sem_seg=label))
        batch = handed_seeds()
        context = contextlib.nullcontext()
        if batch is not None:
            label_size = batch_data_samples[0].gt_sem_seg.shape
            if tuple(batch.seeds.shape[2:]) != tuple(label_size):
                raise ValueError(
                    f'the seeds {tuple(batch.seeds.shape)} (N, K, H, W) are not on the grid of the '
                    f'label {tuple(label_size)}. Was a transform given that moves only one of them?'
                )
            context = hand_over(batch.resampled(sample_on_grid(batch.seeds, size)))
        with context:
            return super().loss_by_feat(seg_logits, sampled)
