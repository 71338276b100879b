"""The CAM head of ResNet38 and of any backbone with a feature map, and the base of others."""

from __future__ import annotations

import torch
from mmpretrain.models.heads import MultiLabelClsHead
from mmpretrain.registry import MODELS
from torch import nn


@MODELS.register_module()
class LinearCAMHead(MultiLabelClsHead):
    """Score every position with a 1x1 convolution ``fc8`` and average: Eq. 2 by construction.

    The score of a class is the spatial mean of its class map, bias included, so that a class map
    is the classifier's own decomposition over the image and not a second computation beside it.
    ``fc8`` starts from N(0, 0.01) with zero bias (section 5.2 of the paper). A subclass may put
    layers before it by overriding :meth:`pre_logits`.

    With ``dropout=0.5`` and no bias it is PSA's ResNet38 head. There the pooling comes before
    ``fc8``; both are linear, so the score is the same.

    Args:
        in_channels: Channels that ``fc8`` reads.
        num_classes: Classes without background.
        bias: Whether ``fc8`` has a bias; it is then part of the class map.
        dropout: Rate at which whole channels are dropped in training.
        **kwargs: ``loss``, ``thr``, ``topk`` and ``init_cfg`` as in mmpretrain's
            ``MultiLabelClsHead``. Its loss is Eq. 1: the sum over the classes of the binary cross
            entropy, the mean over the images.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int = 20,
        *,
        bias: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.dropout = nn.Dropout2d(dropout)
        self.fc8 = nn.Conv2d(in_channels, num_classes, 1, bias=bias)
        nn.init.normal_(self.fc8.weight, std=0.01)
        if bias:
            nn.init.zeros_(self.fc8.bias)

    def pre_logits(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the input (N, in_channels, h, w) of the last dropout and ``fc8``.

        Raises:
            ValueError: The backbone's last output is not a feature map.
        """
        feature = feats[-1]
        if not isinstance(feature, torch.Tensor) or feature.ndim != 4:
            found = tuple(feature.shape) if isinstance(feature, torch.Tensor) else type(feature)
            raise ValueError(
                f'{type(self).__name__} needs a feature map (N, C, h, w) from the backbone; got '
                f'{found}. Leave out the pooling neck; of a transformer ask for '
                "out_type='featmap'."
            )
        return feature

    def class_maps(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the class maps of Eq. 2, (N, num_classes, h, w), before ReLU and so on."""
        return self.fc8(self.dropout(self.pre_logits(feats)))

    def forward(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the scores before the sigmoid, (N, num_classes): the means of the maps."""
        return self.class_maps(feats).mean(dim=(2, 3))
