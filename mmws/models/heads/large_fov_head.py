"""DeepLab's LargeFOV head."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from .feature_grid import FeatureGridHead

# N(0, 0.01) and bias 0.
NEW_CLASSIFIER = dict(type='Normal', std=0.01, override=dict(name='conv_seg'))


class LargeFOV:
    """Mixed into a module: VGG16's fully connected layers as convolutions, and a classifier."""

    def _add_layers(
        self,
        in_channels: int,
        channels: int | None,
        out_channels: int,
        dilation: int,
        dropout_ratio: float,
    ) -> None:
        hidden = channels is not None
        dilated = nn.Conv2d(
            in_channels, channels or out_channels, 3, padding=dilation, dilation=dilation
        )
        self.fc6 = dilated if hidden else None
        self.fc7 = nn.Conv2d(channels, channels, 1) if hidden else None
        self.conv_seg = nn.Conv2d(channels, out_channels, 1) if hidden else dilated
        self.dropout = nn.Dropout(dropout_ratio) if hidden else None

    def _classify(self, x: Tensor) -> Tensor:
        for layer in filter(None, (self.fc6, self.fc7)):
            x = self.dropout(F.relu(layer(x), inplace=True))
        return self.conv_seg(x)


@MODELS.register_module()
class LargeFOVHead(LargeFOV, FeatureGridHead):
    """DeepLab's head with one large field of view: VGG16's fully connected layers as convolutions.

    fc6 is a dilated 3x3 convolution, fc7 a 1x1 one, each with ReLU and element-wise dropout;
    ``conv_seg`` (fc8) classifies. With ``channels=None`` there are no hidden layers: ``conv_seg``
    is the dilated 3x3 convolution itself, as DeepLab has it on ResNet101 (no dropout then).

    Load fc6 and fc7 with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``; ``conv_seg``
    starts from N(0, 0.01) with bias 0.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of fc6 and fc7; weight files have 1024. None: no hidden layers.
        dilation: Dilation of the 3x3 convolution.
        dropout_ratio: Probability of the dropout after fc6 and after fc7.
        init_cfg: mmengine's initialisation config of fc6 and fc7. None: He's normal one.
        **kwargs: ``num_classes``, ``loss_at`` and others, see :class:`FeatureGridHead`.

    The source is DeepLab-v2 (arXiv 1606.00915), LargeFOV; 5,790,741 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        dilation: int = 12,
        dropout_ratio: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        if init_cfg is None:
            init_cfg = [dict(type='Kaiming', layer='Conv2d'), NEW_CLASSIFIER]
        else:  # in front, so that a whole checkpoint still has the last word
            init_cfg = [NEW_CLASSIFIER, *(init_cfg if isinstance(init_cfg, list) else [init_cfg])]
        super().__init__(in_channels, channels, init_cfg=init_cfg, **kwargs)
        self._add_layers(self.in_channels, channels, self.out_channels, dilation, dropout_ratio)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Compute the logits (N, num_classes, h, w) from feature maps (N, in_channels, h, w)."""
        return self._classify(self._transform_inputs(inputs))
