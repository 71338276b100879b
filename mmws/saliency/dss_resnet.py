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
        for name in ('strides', 'dilations', 'out_indices', 'num_stages'):
            if name in kwargs:
                raise TypeError(
                    f'DSSResNet: {name} is fixed, because the sides of DSS depend on it. Leave it '
                    'out.'
                )
        super().__init__(depth, **kwargs)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute the maps that the sides tap.

        Args:
            x: Normalised images (N, 3, H, W).

        Returns:
            conv1 after its ReLU, then the outputs of the four stages.
        """
        if self.deep_stem:
            first = self.stem(x)
        else:
            first = self.relu(self.norm1(self.conv1(x)))
        taps = [first]
        x = self.maxpool(first)
        for name in self.res_layers:
            x = getattr(self, name)(x)
            taps.append(x)
        return tuple(taps)
