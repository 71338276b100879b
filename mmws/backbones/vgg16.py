"""The dilated VGG16 of DeepLab (LargeFOV): the trunk of both stages' VGG16 models."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

# Number of convolutions of each stage, and their width as a factor of `base_channels`.
_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


def conv_names() -> tuple[str, ...]:
    """List the names of the 13 convolutions: ``conv1_1``, ``conv1_2``, ... ``conv5_3``."""
    return tuple(
        f'conv{stage}_{index}'
        for stage, (depth, _) in enumerate(_STAGES, 1)
        for index in range(1, depth + 1)
    )


@MODELS.register_module()
class VGG16LargeFOV(BaseModule):
    """DeepLab's VGG16 up to its fully connected layers, output stride 8.

    The last two poolings keep the resolution and conv5 is dilated by 2 instead. Every pooling is
    3x3 with padding, so that n pixels become floor((n - 1) / 2) + 1 (321 -> 161 -> 81 -> 41; the
    2x2 poolings of the ImageNet model would give 40). An average pooling (pool5a) closes the trunk.
    fc6, fc7 and fc8 belong to the heads: they differ between the CAM classifier, LargeFOV and ASPP.

    Load weights with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``. The file decides
    the normalisation of the input: torchvision's weights want RGB / 255 with the ImageNet mean and
    standard deviation, weights from Caffe want 0..255 minus the mean.

    Args:
        base_channels: Width of the first stage; the others are 2, 4, 8 and 8 times as wide. Weight
            files have 64; less makes a small model to train from scratch.
        batch_norm: Normalise after each convolution (``bn1_1`` and so on). DeepLab's VGG16 does
            not, and no weight file has it; training from scratch wants it.
        init_cfg: mmengine's initialisation config. None: He's normal initialisation, with which
            the trunk trains from scratch.

    The source of the layout is DeepLab-v2's LargeFOV (arXiv 1606.00915). 14,714,688 parameters.
    """

    dilations = (1, 1, 1, 1, 2)

    def __init__(
        self,
        base_channels: int = 64,
        *,
        batch_norm: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        in_channels = 3
        for stage, (depth, factor) in enumerate(_STAGES, 1):
            dilation = self.dilations[stage - 1]
            for index in range(1, depth + 1):
                out_channels = factor * base_channels
                # Plain convolutions, not BaseModules: nothing re-initialises them after the
                # `init_cfg` of the trunk has loaded a file.
                conv = nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)
                self.add_module(f'conv{stage}_{index}', conv)
                if batch_norm:
                    self.add_module(f'bn{stage}_{index}', nn.BatchNorm2d(out_channels))
                in_channels = out_channels
        self.batch_norm = batch_norm

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Compute one map (N, 8 * base_channels, h, w) of (N, 3, H, W); h = ceil(H / 8)."""
        for stage, stride in enumerate((2, 2, 2, 1, 1), 1):
            x = F.max_pool2d(self.convolve(x, stage), 3, stride, padding=1)
        # pool5a counts its padding, as Caffe and MXNet do: the border is drawn towards 0.
        return (F.avg_pool2d(x, 3, 1, padding=1),)

    def convolve(self, x: torch.Tensor, stage: int) -> torch.Tensor:
        """Apply the convolutions of a stage, from 1, each with its ReLU."""
        for index in range(1, _STAGES[stage - 1][0] + 1):
            x = getattr(self, f'conv{stage}_{index}')(x)
            if self.batch_norm:
                x = getattr(self, f'bn{stage}_{index}')(x)
            x = F.relu(x, inplace=True)
        return x
