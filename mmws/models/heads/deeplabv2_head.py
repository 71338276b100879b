"""DeepLab-v2's atrous spatial pyramid pooling (ASPP) head."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor

from .feature_grid import FeatureGridHead
from .large_fov_head import NEW_CLASSIFIER, LargeFOV


class _Branch(LargeFOV, BaseModule):
    """One field of view with its own classifier.

    Its ``init_cfg`` touches the classifier only, so that it leaves alone what that of the head has
    loaded into fc6 and fc7.
    """

    def __init__(self, *layers):
        super().__init__(NEW_CLASSIFIER)
        self._add_layers(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self._classify(x)


@MODELS.register_module()
class DeepLabV2Head(FeatureGridHead):
    """DeepLab-v2's ASPP: LargeFOV branches of several dilations; their logits are summed.

    On VGG16 each branch has its own fc6, fc7 (with ReLU and element-wise dropout) and classifier;
    with ``channels=None`` a branch is one dilated 3x3 convolution, as on ResNet101. The classifiers
    are ``branches.0.conv_seg`` and so on: a ``custom_keys`` entry ``conv_seg`` in the optimizer's
    ``paramwise_cfg`` reaches them as it does in :class:`LargeFOVHead`.

    Args:
        in_channels: As in :class:`LargeFOVHead`, like all that are not named here. An ``init_cfg``
            fills fc6 and fc7 of all branches.
        dilations: Dilation of each branch's 3x3 convolution.

    The source is DeepLab-v2 (arXiv 1606.00915), ASPP-L; 23,162,964 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        dilations: Sequence[int] = (6, 12, 18, 24),
        dropout_ratio: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        init_cfg = init_cfg or dict(type='Kaiming', layer='Conv2d')
        super().__init__(in_channels, channels, init_cfg=init_cfg, **kwargs)
        if not dilations:
            raise ValueError('DeepLabV2Head: dilations is empty; give one number per branch.')
        del self.conv_seg  # each branch has its own
        self.branches = ModuleList(
            _Branch(self.in_channels, channels, self.out_channels, dilation, dropout_ratio)
            for dilation in dilations
        )

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Compute the logits (N, num_classes, h, w) from feature maps (N, in_channels, h, w)."""
        x = self._transform_inputs(inputs)
        return sum(branch(x) for branch in self.branches)
