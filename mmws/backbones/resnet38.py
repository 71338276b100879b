"""The dilated Wide ResNet-38 (model A1) that the weakly supervised literature calls ResNet38."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import nn

# Wu et al., "Wider or Deeper", model A1, with the dilations of PSA (output stride 8). One row a
# unit: name, width factors of `base_channels` (in, middle, out), stride, dilations of its 3x3
# convolutions, of which the last two units, bottlenecks, have one. The names are those of the
# released checkpoints.
_UNITS = (
    ('b2', (1, 2, 2), 2, (1, 1)),
    ('b2_1', (2, 2, 2), 1, (1, 1)),
    ('b2_2', (2, 2, 2), 1, (1, 1)),
    ('b3', (2, 4, 4), 2, (1, 1)),
    ('b3_1', (4, 4, 4), 1, (1, 1)),
    ('b3_2', (4, 4, 4), 1, (1, 1)),
    ('b4', (4, 8, 8), 2, (1, 1)),
    *((f'b4_{i}', (8, 8, 8), 1, (1, 1)) for i in range(1, 6)),
    # b5 and b6 have stride 2 in the ImageNet model; dilation stands in for it from here on.
    ('b5', (8, 8, 16), 1, (1, 2)),
    ('b5_1', (16, 8, 16), 1, (2, 2)),
    ('b5_2', (16, 8, 16), 1, (2, 2)),
    ('b6', (16, 16, 32), 1, (4,)),
    ('b7', (32, 32, 64), 1, (4,)),
)
_STEM = ('conv1a', 'b2', 'b2_1', 'b2_2')


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1):
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)


class _BasicUnit(nn.Module):
    """BN-ReLU-conv3x3 twice, added to the input, or to its 1x1 projection where the shape changes.

    Units are plain modules, not BaseModules, so that nothing re-initialises them after the
    ``init_cfg`` of the backbone has loaded a file.
    """

    def __init__(self, in_channels, middle, out_channels, stride, first, second):
        super().__init__()
        self.bn_branch2a = nn.BatchNorm2d(in_channels)
        self.conv_branch2a = _conv(in_channels, middle, 3, stride, first)
        self.bn_branch2b1 = nn.BatchNorm2d(middle)
        self.conv_branch2b1 = _conv(middle, out_channels, 3, 1, second)
        self.conv_branch1 = None
        if in_channels != out_channels or stride != 1:
            self.conv_branch1 = _conv(in_channels, out_channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        activated = F.relu(self.bn_branch2a(x))
        # The projection reads the activated input, the identity the raw one.
        shortcut = x if self.conv_branch1 is None else self.conv_branch1(activated)
        out = self.conv_branch2a(activated)
        out = self.conv_branch2b1(F.relu(self.bn_branch2b1(out)))
        return out + shortcut


class _BottleneckUnit(nn.Module):
    """BN-ReLU-conv 1x1, 3x3, 1x1 of widths out/4, out/2, out, with dropout before the last two."""

    def __init__(self, in_channels, middle, out_channels, stride, dilation, dropout):
        super().__init__()
        self.bn_branch2a = nn.BatchNorm2d(in_channels)
        self.conv_branch2a = _conv(in_channels, middle // 2, 1, stride)
        self.bn_branch2b1 = nn.BatchNorm2d(middle // 2)
        self.dropout_2b1 = nn.Dropout2d(dropout)
        self.conv_branch2b1 = _conv(middle // 2, middle, 3, 1, dilation)
        self.bn_branch2b2 = nn.BatchNorm2d(middle)
        self.dropout_2b2 = nn.Dropout2d(dropout)
        self.conv_branch2b2 = _conv(middle, out_channels, 1)
        self.conv_branch1 = _conv(in_channels, out_channels, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        activated = F.relu(self.bn_branch2a(x))
        shortcut = self.conv_branch1(activated)
        out = self.conv_branch2a(activated)
        out = self.conv_branch2b1(self.dropout_2b1(F.relu(self.bn_branch2b1(out))))
        out = self.conv_branch2b2(self.dropout_2b2(F.relu(self.bn_branch2b2(out))))
        return out + shortcut


@MODELS.register_module()
class ResNet38(BaseModule):
    """Dilated Wide ResNet-38, output stride 8, with the key names of the PSA and SEAM checkpoints.

    Load weights with ``init_cfg=dict(type='PretrainedResNet38', checkpoint=...)``. Input is RGB,
    divided by 255, with the ImageNet mean and standard deviation.

    Args:
        base_channels: Width of the first convolution; everything else is a multiple of it. The
            released weights have 64, which gives 4096 output channels (64 times the width).
        dropout: Rates at which b6 and b7 drop whole channels in training; a narrow network learns
            better without.
        norm_frozen: Keep every batch normalisation in evaluation mode and its affine parameters
            fixed, as PSA does. Turn off to train from scratch.
        stem_frozen: Keep ``conv1a``, ``b2``, ``b2_1`` and ``b2_2`` fixed, likewise.
        init_cfg: mmengine's initialisation config.

    The source is model A1 of "Wider or Deeper" (arXiv 1611.10080); dilations and dropout
    (whole channels) as PSA released them. 105,023,168 convolution and 47,744 affine parameters.
    """

    def __init__(
        self,
        base_channels: int = 64,
        *,
        dropout: tuple[float, float] = (0.3, 0.5),
        norm_frozen: bool = True,
        stem_frozen: bool = True,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        self.norm_frozen = norm_frozen
        self.stem_frozen = stem_frozen
        self.out_channels = 64 * base_channels
        self.conv1a = _conv(3, base_channels, 3)
        rates = dict(zip(('b6', 'b7'), dropout, strict=True))
        for name, widths, stride, dilations in _UNITS:
            channels = [factor * base_channels for factor in widths]
            if name in rates:
                unit = _BottleneckUnit(*channels, stride, *dilations, rates[name])
            else:
                unit = _BasicUnit(*channels, stride, *dilations)
            self.add_module(name, unit)
        self.bn7 = nn.BatchNorm2d(self.out_channels)
        for module in self._frozen():
            module.requires_grad_(False)

    def _frozen(self) -> list[nn.Module]:
        stem = [getattr(self, name) for name in _STEM] if self.stem_frozen else []
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        return stem + (norms if self.norm_frozen else [])

    def train(self, mode: bool = True) -> ResNet38:
        super().train(mode)
        # Also the running statistics of a trainable norm stand still in a frozen stem.
        for module in self._frozen():
            module.eval()
        return self

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        """Compute one map (N, 64 * base_channels, h, w), not negative, of (N, 3, H, W).

        h and w are H and W halved three times, rounded up each time (375 x 500 gives 47 x 63).
        """
        x = self.conv1a(x)
        for name, *_ in _UNITS:
            x = getattr(self, name)(x)
        return (F.relu(self.bn7(x)),)
