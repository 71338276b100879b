"""The sides of DSS, their short connections and their fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import nn

from mmws.files.label_map import UNKNOWN

from .grid import IMAGE_GRID, Grid, resample

# Side: width as a factor of `base_channels`, kernel, and the deeper sides whose maps it receives.
# Side 1 does not receive side 2; so does the released network.
SIDES = {
    1: (2, 3, (6, 5, 4, 3)),
    2: (2, 3, (6, 5, 4, 3)),
    3: (4, 5, (6, 5)),
    4: (4, 5, (6, 5)),
    5: (8, 5, ()),
    6: (8, 7, ()),
}


class Taps(NamedTuple):
    """The maps that the sides tap, shallow to deep, their places, and (H, W) of the image."""

    features: Sequence[torch.Tensor]
    grids: Sequence[Grid]
    size: tuple[int, int]


@MODELS.register_module()
class DSSHead(BaseModule):
    """Deeply supervised sides with short connections from deep to shallow ones.

    Each side is two convolutions and a 1x1 one to a single map. Shallow sides concatenate theirs
    with the maps of deeper sides, brought to their resolution bilinearly, and combine them by
    another 1x1 convolution; sides 4 and 3 pass on the combined map. All maps are brought to the
    size of the image, and a last 1x1 convolution fuses them. Every one of these outputs is trained
    with sigmoid cross-entropy against the mask.

    Args:
        in_channels: Channels of the tapped maps, shallow to deep: six for sides 1 to 6, five for
            sides 2 to 6 (ResNet).
        base_channels: The sides' convolutions are 2 to 8 times as wide; 64 in the paper.
        norm_cfg: Normalisation of these convolutions; none in the paper.
        init_cfg: mmengine's initialisation config. None: N(0, 0.01), zero biases, and equal weights
            in the fusion, as in the paper.

    Source: train_val.prototxt of the released code (github.com/Andrew-Qibin/DSS).
    """

    # What EncoderDecoder asks of a head.
    align_corners = False
    num_classes = 2
    ignore_index = UNKNOWN

    def __init__(
        self,
        in_channels: Sequence[int],
        *,
        base_channels: int = 64,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        if len(in_channels) not in (5, 6):
            raise ValueError(
                'DSSHead: in_channels names the tapped maps of sides 1 to 6, or of 2 to 6; got '
                f'{len(in_channels)} of them: {tuple(in_channels)}.'
            )
        count = len(in_channels)
        super().__init__(
            init_cfg
            or dict(
                type='Normal',
                layer='Conv2d',
                std=0.01,
                override=dict(type='Constant', name='fuse', val=1 / count, bias=0.0),
            )
        )
        self.first = 7 - count
        self.names = (*(f'side{side}' for side in range(self.first, 7)), 'fuse')
        self.out_channels = len(self.names)
        for side, channels in enumerate(in_channels, self.first):
            factor, kernel, deeper = SIDES[side]
            layer = _Side(channels, factor * base_channels, kernel, len(deeper), norm_cfg)
            self.add_module(f'side{side}', layer)
        self.fuse = nn.Conv2d(count, 1, 1)

    def forward(self, taps: Taps) -> torch.Tensor:
        """Compute the logits of all outputs, (N, S, H, W) of the image's size, as ``names``."""
        maps, outputs = {}, []
        for side in range(6, self.first - 1, -1):
            feature, grid = (list_[side - self.first] for list_ in (taps.features, taps.grids))
            size = feature.shape[2:]
            received = [resample(*maps[deep], grid, size) for deep in SIDES[side][2]]
            maps[side] = (getattr(self, f'side{side}')(feature, received), grid)
            outputs.insert(0, resample(*maps[side], IMAGE_GRID, taps.size))
        return torch.cat([*outputs, self.fuse(torch.cat(outputs, 1))], 1)

    def loss(self, taps: Taps, samples: SampleList, train_cfg: dict | None = None) -> dict:
        """Compute the losses of all outputs, ``loss_side1`` ... ``loss_fuse``."""
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
        losses = deep_supervision_losses(self(taps), labels)
        return {f'loss_{name}': loss for name, loss in zip(self.names, losses, strict=True)}

    def predict(self, taps: Taps, metas: list[dict], test_cfg: dict | None = None) -> torch.Tensor:
        """Compute the logits of all outputs, (N, S, H, W)."""
        return self(taps)


class _Side(nn.Module):
    """One side: ``conv1``, ``conv2``, ``score`` and, where it receives maps, ``combine``."""

    def __init__(self, inputs: int, width: int, kernel: int, received: int, norm_cfg: dict | None):
        super().__init__()
        common = dict(kernel_size=kernel, padding=kernel // 2, norm_cfg=norm_cfg)
        self.conv1 = ConvModule(inputs, width, **common)
        self.conv2 = ConvModule(width, width, **common)
        self.score = nn.Conv2d(width, 1, 1)
        self.combine = nn.Conv2d(1 + received, 1, 1) if received else None

    def forward(self, feature: torch.Tensor, received: list[torch.Tensor]) -> torch.Tensor:
        own = self.score(self.conv2(self.conv1(feature)))
        return own if self.combine is None else self.combine(torch.cat([own, *received], 1))


def deep_supervision_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Compute the sigmoid cross-entropy of each output, averaged over the pixels that count: (S,).

    The logits are (N, S, H, W), the labels (N, H, W) integers: 1 salient, 0 not, 255 unknown. If no
    pixel counts, losses and gradients are 0.
    """
    known = labels != UNKNOWN
    target = (labels == 1).to(logits.dtype)[:, None].expand_as(logits)
    losses = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    return (losses * known[:, None]).sum((0, 2, 3)) / known.sum().clamp(min=1)
