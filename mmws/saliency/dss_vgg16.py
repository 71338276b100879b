"""The VGG16 trunk of DSS, with the six maps that its sides tap."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import nn

from .grid import Grid

# Convolutions of a stage, and their width as a factor of `base_channels`.
_STAGES = ((2, 1), (2, 2), (3, 4), (3, 8), (3, 8))


@MODELS.register_module()
class DSSVGG16(BaseModule):
    """VGG16 as DSS uses it: strides 1 to 32, six outputs.

    conv1_1 is padded by 5, not 1, so that the maps reach beyond the image. The first three poolings
    are 2x2, the last two 3x3 with padding, all of stride 2 and rounding up, as Caffe does. A 3x3
    average pooling (pool5a) closes the trunk. The grid of each output is in ``grids``.

    Load weights with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``; the file decides
    the normalisation of the input, see :class:`mmws.backbones.VGG16LargeFOV`.

    Args:
        base_channels: Width of the first stage; the others are 2, 4, 8 and 8 times as wide. Weight
            files have 64; less makes a small model to train from scratch.
        batch_norm: Normalise after each convolution. DSS does not; training from scratch wants it.
        first_padding: Of conv1_1, at least 1.
        init_cfg: mmengine's initialisation config. None: He's normal initialisation.

    Source: DSS's train_val.prototxt (FACTS section 7).
    """

    def __init__(
        self,
        base_channels: int = 64,
        *,
        batch_norm: bool = False,
        first_padding: int = 5,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        if base_channels < 1 or first_padding < 1:
            raise ValueError(
                'DSSVGG16: base_channels and first_padding must be at least 1; got '
                f'{base_channels} and {first_padding}.'
            )
        in_channels = 3
        for stage, (depth, factor) in enumerate(_STAGES, 1):
            for index in range(1, depth + 1):
                out_channels = factor * base_channels
                padding = first_padding if (stage, index) == (1, 1) else 1
                # Plain convolutions, not BaseModules: nothing re-initialises them after the
                # `init_cfg` of the trunk has loaded a file.
                conv = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
                self.add_module(f'conv{stage}_{index}', conv)
                if batch_norm:
                    self.add_module(f'bn{stage}_{index}', nn.BatchNorm2d(out_channels))
                in_channels = out_channels
        self.batch_norm = batch_norm
        self.out_channels = tuple(f * base_channels for _, f in (*_STAGES, _STAGES[-1]))
        self.grids = _grids(first_padding)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Computes the maps that the sides tap.

        Args:
            x: Normalised images (N, 3, H, W).

        Returns:
            conv1_2, conv2_2, conv3_3, conv4_3, conv5_3 and pool5a, of strides 1, 2, 4, 8, 16, 32.
        """
        taps = []
        for stage, (depth, _) in enumerate(_STAGES, 1):
            for index in range(1, depth + 1):
                x = getattr(self, f'conv{stage}_{index}')(x)
                if self.batch_norm:
                    x = getattr(self, f'bn{stage}_{index}')(x)
                x = F.relu(x, inplace=True)
            taps.append(x)
            if stage <= 3:
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            else:
                x = F.max_pool2d(x, 3, 2, padding=1, ceil_mode=True)
        return (*taps, F.avg_pool2d(x, 3, 1, padding=1))


def _grids(first_padding: int) -> tuple[Grid, ...]:
    """A 2x2 pooling moves the centres by half a cell, a 3x3 one with padding does not."""
    grids = [Grid(1, 1 - first_padding)]
    for shift in (0.5, 0.5, 0.5, 0, 0):
        stride, offset = grids[-1]
        grids.append(Grid(2 * stride, offset + shift * stride))
    return tuple(grids)
