"""The VGG16 trunk of DSS, with the six maps that its sides tap."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from mmws.backbones import VGG16LargeFOV

from .grid import Grid


@MODELS.register_module()
class DSSVGG16(VGG16LargeFOV):
    """VGG16 as DSS uses it: strides 1 to 32, six outputs.

    conv1_1 is padded by 5, not 1, so that the maps reach beyond the image. The first three poolings
    are 2x2, the last two 3x3 with padding, all of stride 2 and rounding up, as Caffe does. A 3x3
    average pooling (pool5a) closes the trunk. The grid of each output is in ``grids``.

    Source: train_val.prototxt of the released code (github.com/Andrew-Qibin/DSS).

    Args:
        **kwargs: As in :class:`VGG16LargeFOV`.
    """

    dilations = (1, 1, 1, 1, 1)
    # A 2x2 pooling moves the cells by half a cell, a padded 3x3 one does not.
    grids = tuple(map(Grid, (1, 2, 4, 8, 16, 32), (-4, -3.5, -2.5, -0.5, -0.5, -0.5)))

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.conv1_1.padding = (5, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute conv1_2, conv2_2, conv3_3, conv4_3, conv5_3 and pool5a of (N, 3, H, W)."""
        taps = []
        for stage in range(1, 6):
            x = self.convolve(x, stage)
            taps.append(x)
            if stage <= 3:
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            else:
                x = F.max_pool2d(x, 3, 2, padding=1, ceil_mode=True)
        return (*taps, F.avg_pool2d(x, 3, 1, padding=1))
