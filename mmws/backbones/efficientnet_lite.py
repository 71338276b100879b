"""EfficientNet-Lite: a light pretrained trunk for both stages."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

# One row a stage of Lite0: repeats, kernel, stride, expansion, channels.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Width and depth as multiples of Lite0's.
_ARCHS = {
    'lite0': (1.0, 1.0),
    'lite1': (1.0, 1.1),
    'lite2': (1.1, 1.2),
    'lite3': (1.2, 1.4),
    'lite4': (1.4, 1.8),
}
_STEM, _HEAD = 32, 1280  # the same in all of them


class _Block(nn.Module):
    """Inverted residual: 1x1 expansion, depthwise convolution, linear 1x1 projection."""

    def __init__(self, in_channels, out_channels, *, kernel, stride, dilation, expansion):
        super().__init__()
        middle = in_channels * expansion
        self.expand_conv = None
        if expansion != 1:
            self.expand_conv = nn.Conv2d(in_channels, middle, 1, bias=False)
            self.bn0 = _norm(middle)
        padding = dilation * (kernel // 2)
        self.depthwise_conv = nn.Conv2d(
            middle, middle, kernel, stride, padding, dilation, groups=middle, bias=False
        )
        self.bn1 = _norm(middle)
        self.project_conv = nn.Conv2d(middle, out_channels, 1, bias=False)
        self.bn2 = _norm(out_channels)
        self.shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x
        if self.expand_conv is not None:
            out = F.relu6(self.bn0(self.expand_conv(out)))
        out = F.relu6(self.bn1(self.depthwise_conv(out)))
        out = self.bn2(self.project_conv(out))
        return out + x if self.shortcut else out


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """EfficientNet-Lite0 to -Lite4 without the classifier, of output stride 8, 16 or 32.

    Load weights with ``init_cfg=dict(type='PretrainedEfficientNetLite')``. Input is RGB,
    (x - 127) / 128.

    timm has it too, but TensorFlow's padding, which it follows, depends on the parity of the input,
    so that the place of an output cell depends on the size of the image. Here cell i is centred on
    pixel ``output_stride * i`` always. On sizes 32 n + 1 both are the same, and the features equal
    timm's ``tf_efficientnet_lite*``.

    Args:
        arch: One of 'lite0' ... 'lite4'.
        output_stride: 8, 16 or 32. Below 32, dilation stands in for the last strides.
        frozen_blocks: The stem and so many of the blocks (lite0 has 16, lite2 21) keep their
            weights, and with ``norm_eval`` their statistics. The first 11 and 15 are those before
            the last stride, 40% of a training step.
        norm_eval: Keep the batch normalisations in evaluation mode. Their affine parameters are
            trained where they are not frozen. Turn off to train from scratch.
        init_cfg: mmengine's initialisation config. None: He's normal initialisation.

    The source of the layout is EfficientNet (arXiv 1905.11946) with its Lite variants: no
    squeeze-and-excitation, ReLU6, stem and last convolution not scaled. 3,371,008 parameters
    in lite0, 4,811,072 in lite2.
    """

    def __init__(
        self,
        arch: str = 'lite0',
        *,
        output_stride: int = 16,
        frozen_blocks: int = 0,
        norm_eval: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        if arch not in _ARCHS:
            raise ValueError(f'arch must be one of {", ".join(_ARCHS)}; got {arch!r}.')
        if output_stride not in (8, 16, 32):
            raise ValueError(f'output_stride must be 8, 16 or 32; got {output_stride!r}.')
        self.arch = arch
        self.norm_eval = norm_eval
        self.conv_stem = nn.Conv2d(3, _STEM, 3, 2, 1, bias=False)
        self.bn0 = _norm(_STEM)
        self.blocks = nn.ModuleList()
        width, depth = _ARCHS[arch]
        in_channels, reached, dilation = _STEM, 2, 1
        for index, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            out_channels = _round_channels(channels * width)
            if 0 < index < len(_STAGES) - 1:
                repeats = math.ceil(repeats * depth)
            step = stride if reached * stride <= output_stride else 1
            for repeat in range(repeats):
                block = _Block(
                    in_channels,
                    out_channels,
                    kernel=kernel,
                    stride=step if repeat == 0 else 1,
                    dilation=dilation,
                    expansion=expansion,
                )
                self.blocks.append(block)
                in_channels = out_channels
                if repeat == 0:
                    # In place of a stride, what follows it is dilated, not its own convolution.
                    reached *= step
                    dilation *= stride // step
        self.conv_head = nn.Conv2d(in_channels, _HEAD, 1, bias=False)
        self.bn1 = _norm(_HEAD)
        if not 0 <= frozen_blocks <= len(self.blocks):
            raise ValueError(
                f'frozen_blocks must be 0 to {len(self.blocks)}, the blocks of {arch}; got '
                f'{frozen_blocks!r}.'
            )
        if frozen_blocks:
            for module in (self.conv_stem, self.bn0, *self.blocks[:frozen_blocks]):
                module.requires_grad_(False)
        # Depthwise convolutions are faster in this layout: on a CPU a step takes 0.7 of the time.
        self.to(memory_format=torch.channels_last)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Compute one map (N, 1280, h, w) >= 0 of (N, 3, H, W); h = ceil(H / output_stride)."""
        x = F.relu6(self.bn0(self.conv_stem(x)))
        for block in self.blocks:
            x = block(x)
        return (F.relu6(self.bn1(self.conv_head(x))),)

    def train(self, mode: bool = True) -> EfficientNetLite:
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def _round_channels(channels: float) -> int:
    """Round to a multiple of 8, by at most a tenth downwards."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
