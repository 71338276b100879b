"""The ResNet trunk of DSS."""

from __future__ import annotations

import torch
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS

from .grid import Grid


@MODELS.register_module()
class DSSResNet(ResNet):
    """mmseg's ResNet with the five maps that DSS taps: conv1 and the ends of the four stages.

    They are sides 2 to 6, of strides 2 to 32; there is no side 1. Arguments are those of mmseg's
    ``ResNet``, apart from strides, dilations and outputs, which DSS leaves as ImageNet has them.
    """

    grids = tuple(Grid(stride, 0) for stride in (2, 4, 8, 16, 32))

    def __init__(self, depth: int = 101, **kwargs):
        fixed = {'strides', 'dilations', 'out_indices', 'num_stages'}.intersection(kwargs)
        if fixed:
            raise TypeError(
                f'DSSResNet: {", ".join(sorted(fixed))} is fixed, because the sides of DSS depend '
                'on it. Leave it out.'
            )
        super().__init__(depth, **kwargs)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute conv1 after its ReLU and the outputs of the four stages of (N, 3, H, W)."""
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        taps = [x]
        x = self.maxpool(x)
        for name in self.res_layers:
            x = getattr(self, name)(x)
            taps.append(x)
        return tuple(taps)
