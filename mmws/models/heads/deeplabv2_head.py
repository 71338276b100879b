"""DeepLab-v2's atrous spatial pyramid pooling (ASPP) head."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from .feature_grid import FeatureGridLoss
from .large_fov_head import NEW_CLASSIFIER, dilated_conv


class _Branch(BaseModule):
    """One field of view: fc6, fc7 and its own classifier, or the dilated classifier alone.

    Its ``init_cfg`` touches the classifier only, so that it leaves alone what that of the head has
    loaded into fc6 and fc7.
    """

    def __init__(self, in_channels, channels, out_channels, dilation, dropout_ratio):
        super().__init__(NEW_CLASSIFIER)
        if channels is None:
            self.fc6 = self.fc7 = None
            self.conv_seg = dilated_conv(in_channels, out_channels, dilation)
        else:
            self.fc6 = dilated_conv(in_channels, channels, dilation)
            self.fc7 = nn.Conv2d(channels, channels, 1)
            self.conv_seg = nn.Conv2d(channels, out_channels, 1)
            self.dropout = nn.Dropout(dropout_ratio)

    def forward(self, x: Tensor) -> Tensor:
        if self.fc6 is not None:
            x = self.dropout(F.relu(self.fc6(x), inplace=True))
            x = self.dropout(F.relu(self.fc7(x), inplace=True))
        return self.conv_seg(x)


@MODELS.register_module()
class DeepLabV2Head(FeatureGridLoss, BaseDecodeHead):
    """DeepLab-v2's ASPP: LargeFOV branches of several dilations; their logits are summed.

    On VGG16 each branch has its own fc6, fc7 (with ReLU and element-wise dropout) and classifier;
    with ``channels=None`` a branch is one dilated 3x3 convolution, as on ResNet101. The classifiers
    are ``branches.0.conv_seg`` and so on: a ``custom_keys`` entry ``conv_seg`` in the optimizer's
    ``paramwise_cfg`` reaches them as it does in :class:`LargeFOVHead`.

    Load fc6 and fc7 of all branches with ``init_cfg=dict(type='PretrainedVGG16', checkpoint=...)``;
    the classifiers start from N(0, 0.01) with bias 0.

    Args:
        in_channels: Channels of the feature map.
        channels: Channels of fc6 and fc7; weight files have 1024. None: no hidden layers.
        num_classes: Number of classes, background included.
        dilations: Dilation of each branch's 3x3 convolution.
        dropout_ratio: Probability of the dropout after fc6 and after fc7.
        loss_at: ``'feature'`` or ``'image'``, as in :class:`LargeFOVHead`.
        align_corners: How logits are resized to the image. True fits ``loss_at='feature'``.
        init_cfg: mmengine's initialisation config of fc6 and fc7. None: He's normal one.
        **kwargs: Of mmseg's ``BaseDecodeHead`` (``loss_decode``, ``ignore_index``, ``in_index``,
            ...).

    The source is DeepLab-v2 (arXiv 1606.00915), ASPP-L; 23,162,964 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
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
            dropout_ratio=0,  # the branches have their own
            align_corners=align_corners,
            init_cfg=init_cfg or dict(type='Kaiming', layer='Conv2d'),
            **kwargs,
        )
        if not dilations:
            raise ValueError('DeepLabV2Head: dilations is empty; give one number per branch.')
        self._set_loss_at(loss_at)
        self.dropout_ratio = dropout_ratio
        del self.conv_seg  # each branch has its own
        self.branches = ModuleList(
            _Branch(self.in_channels, channels, self.out_channels, dilation, dropout_ratio)
            for dilation in dilations
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Computes the logits.

        Args:
            inputs: The backbone's feature maps, the one at ``in_index`` (N, in_channels, h, w).

        Returns:
            (N, num_classes, h, w).
        """
        x = self._transform_inputs(inputs)
        first, *others = self.branches
        logits = first(x)
        for branch in others:
            logits = logits + branch(x)
        return logits
