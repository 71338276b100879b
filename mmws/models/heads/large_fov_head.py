"""DeepLab's LargeFOV head."""

from __future__ import annotations

import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from .feature_grid import FeatureGridLoss

# N(0, 0.01) and bias 0.
NEW_CLASSIFIER = dict(type='Normal', std=0.01, override=dict(name='conv_seg'))


@MODELS.register_module()
class LargeFOVHead(FeatureGridLoss, BaseDecodeHead):
    """DeepLab's head with one large field of view: VGG16's fully connected layers as convolutions.

    fc6 is a dilated 3x3 convolution, fc7 a 1x1 one, each with ReLU and element-wise dropout;
    ``conv_seg`` (fc8) classifies. With ``channels=None`` there are no hidden layers: ``conv_seg``
    is the dilated 3x3 convolution itself, as DeepLab has it on ResNet101 (no dropout then).

    Load fc6 and fc7 with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``; ``conv_seg``
    starts from N(0, 0.01) with bias 0.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of fc6 and fc7; weight files have 1024. None: no hidden layers.
        num_classes: Number of classes, background included.
        dilation: Dilation of the 3x3 convolution.
        dropout_ratio: Probability of the dropout after fc6 and after fc7.
        loss_at: Where the loss is computed: ``'feature'`` (labels and seeds sampled on the grid of
            the logits, as in the paper) or ``'image'`` (logits resized to the label, mmseg's way).
        align_corners: How logits are resized to the image. True fits ``loss_at='feature'``.
        init_cfg: mmengine's initialisation config of fc6 and fc7. None: He's normal one.
        **kwargs: Of mmseg's ``BaseDecodeHead`` (``loss_decode``, ``ignore_index``, ``in_index``,
            ...).

    The source is DeepLab-v2 (arXiv 1606.00915), LargeFOV; 5,790,741 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        num_classes: int,
        dilation: int = 12,
        dropout_ratio: float = 0.5,
        loss_at: str = 'feature',
        align_corners: bool = True,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        super().__init__(
            in_channels,
            channels or in_channels,
            num_classes=num_classes,
            # mmseg's own dropout drops whole channels; DeepLab's drops elements.
            dropout_ratio=0,
            align_corners=align_corners,
            init_cfg=with_new_classifier(init_cfg),
            **kwargs,
        )
        self._set_loss_at(loss_at)
        if channels is None:
            self.fc6 = self.fc7 = None
            self.conv_seg = dilated_conv(self.in_channels, self.out_channels, dilation)
        else:
            self.fc6 = dilated_conv(self.in_channels, channels, dilation)
            self.fc7 = nn.Conv2d(channels, channels, 1)
            self.dropout_ratio = dropout_ratio
            self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Computes the logits.

        Args:
            inputs: The backbone's feature maps, the one at ``in_index`` (N, in_channels, h, w).

        Returns:
            (N, num_classes, h, w).
        """
        x = self._transform_inputs(inputs)
        if self.fc6 is not None:
            x = self.dropout(F.relu(self.fc6(x), inplace=True))
            x = F.relu(self.fc7(x), inplace=True)
        return self.cls_seg(x)


def dilated_conv(in_channels: int, out_channels: int, dilation: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)


def with_new_classifier(init_cfg: dict | list[dict] | None) -> list[dict]:
    """Puts the start of ``conv_seg``, DeepLab's new layer, in front of what the user gave.

    In front, so that a whole checkpoint (``type='Pretrained'``) still has the last word.
    """
    if init_cfg is None:
        return [dict(type='Kaiming', layer='Conv2d'), NEW_CLASSIFIER]
    return [NEW_CLASSIFIER, *(init_cfg if isinstance(init_cfg, list) else [init_cfg])]
