"""DeepLab's LargeFOV head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ..hand_over import hand_over, handed_seeds

# N(0, 0.01) and bias 0.
NEW_CLASSIFIER = dict(type='Normal', std=0.01, override=dict(name='conv_seg'))


class LargeFOV:
    """Mixed into a module: VGG16's fully connected layers as convolutions, and a classifier."""

    def _add_layers(
        self,
        in_channels: int,
        channels: int | None,
        out_channels: int,
        dilation: int,
        dropout_ratio: float,
    ) -> None:
        hidden = channels is not None
        dilated = nn.Conv2d(
            in_channels, channels or out_channels, 3, padding=dilation, dilation=dilation
        )
        self.fc6 = dilated if hidden else None
        self.fc7 = nn.Conv2d(channels, channels, 1) if hidden else None
        self.conv_seg = nn.Conv2d(channels, out_channels, 1) if hidden else dilated
        self.dropout = nn.Dropout(dropout_ratio) if hidden else None

    def _classify(self, x: Tensor) -> Tensor:
        for layer in filter(None, (self.fc6, self.fc7)):
            x = self.dropout(F.relu(layer(x), inplace=True))
        return self.conv_seg(x)


@MODELS.register_module()
class LargeFOVHead(LargeFOV, BaseDecodeHead):
    """DeepLab's head with one large field of view: VGG16's fully connected layers as convolutions.

    fc6 is a dilated 3x3 convolution, fc7 a 1x1 one, each with ReLU and element-wise dropout;
    ``conv_seg`` (fc8) classifies. With ``channels=None`` there are no hidden layers: ``conv_seg``
    is the dilated 3x3 convolution itself, as DeepLab has it on ResNet101 (no dropout then).

    Load fc6 and fc7 with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``; ``conv_seg``
    starts from N(0, 0.01) with bias 0.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of fc6 and fc7; weight files have 1024. None: no hidden layers.
        dilation: Dilation of the 3x3 convolution.
        dropout_ratio: Probability of the dropout after fc6 and after fc7.
        loss_at: Where the loss is computed: ``'feature'`` (labels and handed-over seeds sampled on
            the grid of the logits, as in Eq. 4 of the paper) or ``'image'`` (logits resized to the
            label, mmseg's way).
        align_corners: How logits are resized to the image. True fits ``loss_at='feature'``.
        init_cfg: mmengine's initialisation config of fc6 and fc7. None: He's normal one.
        **kwargs: Of mmseg's ``BaseDecodeHead`` (``num_classes``, ``loss_decode``, ...).

    The source is DeepLab-v2 (arXiv 1606.00915), LargeFOV; 5,790,741 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        dilation: int = 12,
        dropout_ratio: float = 0.5,
        loss_at: str = 'feature',
        align_corners: bool = True,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        given = dict(type='Kaiming', layer='Conv2d') if init_cfg is None else init_cfg
        super().__init__(
            in_channels,
            channels or in_channels,
            # mmseg's own dropout drops whole channels; DeepLab's drops elements.
            dropout_ratio=0,
            align_corners=align_corners,
            init_cfg=[*(given if isinstance(given, list) else [given]), NEW_CLASSIFIER],
            **kwargs,
        )
        if loss_at not in ('feature', 'image'):
            raise ValueError(f"loss_at must be 'feature' or 'image'; got {loss_at!r}.")
        self.loss_at = loss_at
        self._add_layers(self.in_channels, channels, self.out_channels, dilation, dropout_ratio)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Compute the logits (N, num_classes, h, w) from feature maps (N, in_channels, h, w)."""
        return self._classify(self._transform_inputs(inputs))

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
