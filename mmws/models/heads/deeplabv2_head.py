"""DeepLab-v2's atrous spatial pyramid pooling (ASPP) head."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.model import BaseModule, ModuleList
from mmseg.registry import MODELS
from torch import Tensor

from .large_fov_head import NEW_CLASSIFIER, LargeFOV, LargeFOVHead


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
class DeepLabV2Head(LargeFOVHead):
    """DeepLab-v2's ASPP: LargeFOV branches of several dilations; their logits are summed.

    On VGG16 each branch has its own fc6, fc7 (with ReLU and element-wise dropout) and classifier;
    with ``channels=None`` a branch is one dilated 3x3 convolution, as on ResNet101. The classifiers
    are ``branches.0.conv_seg`` and so on: a ``custom_keys`` entry ``conv_seg`` in the optimizer's
    ``paramwise_cfg`` reaches them as it does in :class:`LargeFOVHead`.

    Args:
        in_channels, channels: As in :class:`LargeFOVHead`, like all that are not named here.
        dilations: Dilation of each branch's 3x3 convolution.
        init_cfg: Fills fc6 and fc7 of all branches.

    The source is DeepLab-v2 (arXiv 1606.00915), ASPP-L; 23,162,964 parameters on VGG16 with 21
    classes.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int | None = 1024,
        *,
        dilations: Sequence[int] = (6, 12, 18, 24),
        init_cfg: dict | list[dict] | None = None,
        **kwargs,
    ):
        if not dilations:
            raise ValueError('DeepLabV2Head: dilations is empty; give one number per branch.')
        super().__init__(in_channels, channels, dilation=dilations, **kwargs)
        # Without the classifier of LargeFOVHead, which the branches initialise.
        self.init_cfg = init_cfg or dict(type='Kaiming', layer='Conv2d')

    def _add_layers(
        self,
        in_channels: int,
        channels: int | None,
        out_channels: int,
        dilations: Sequence[int],
        dropout_ratio: float,
    ) -> None:
        del self.conv_seg  # each branch has its own
        self.branches = ModuleList(
            _Branch(in_channels, channels, out_channels, dilation, dropout_ratio)
            for dilation in dilations
        )

    def _classify(self, x: Tensor) -> Tensor:
        return sum(branch(x) for branch in self.branches)
