"""The CAM head of ResNet38, and of any backbone with a feature map."""

from __future__ import annotations

import torch
from mmpretrain.registry import MODELS
from torch import nn

from .class_map_head import ClassMapHead


@MODELS.register_module()
class LinearCAMHead(ClassMapHead):
    """Dropout of whole channels, then ``fc8`` on the backbone's last feature map.

    With ``dropout=0.5`` and no bias it is PSA's ResNet38 head. There the pooling comes before
    ``fc8``; both are linear, so the score is the same.

    Args:
        in_channels: As in :class:`ClassMapHead`, like all but ``dropout``.
        dropout: Rate at which whole channels are dropped in training.
    """

    def __init__(self, in_channels: int, num_classes: int = 20, *, dropout: float = 0.0, **kwargs):
        super().__init__(in_channels, num_classes, **kwargs)
        self.dropout = nn.Dropout2d(dropout)

    def pre_logits(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        return self.dropout(super().pre_logits(feats))
