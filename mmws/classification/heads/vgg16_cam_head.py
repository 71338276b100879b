"""The CAM head of the author's VGG16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmpretrain.registry import MODELS
from torch import nn

from .linear_cam_head import LinearCAMHead


@MODELS.register_module()
class VGG16CAMHead(LinearCAMHead):
    """``fc6`` (3x3) and ``fc7`` (1x1), each with ReLU and dropout, then ``fc8`` with a bias.

    With the trunk :class:`mmws.backbones.VGG16LargeFOV` it has the author's 20,504,404
    parameters. ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)`` fills ``fc6`` and
    ``fc7`` from the ImageNet classifier.

    Args:
        in_channels: Channels of the backbone's last feature map.
        num_classes: As in :class:`LinearCAMHead`, like all that are not named here.
        channels: Channels of ``fc6`` and ``fc7``; pretrained weights need 1024.
        dropout: Rate after ``fc6`` and after ``fc7``.
    """

    def __init__(
        self,
        in_channels: int = 512,
        num_classes: int = 20,
        *,
        channels: int = 1024,
        dropout: float = 0.5,
        **kwargs,
    ):
        super().__init__(channels, num_classes, bias=True, **kwargs)
        # Not dilated, unlike the LargeFOV of the segmentation net: CAMs stay sharper.
        self.fc6 = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.fc7 = nn.Conv2d(channels, channels, 1)
        for conv in (self.fc6, self.fc7):  # for training from scratch
            nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
            nn.init.zeros_(conv.bias)
        self.dropout = nn.Dropout(dropout)

    def pre_logits(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        x = self.dropout(F.relu(self.fc6(super().pre_logits(feats))))
        return F.relu(self.fc7(x))
