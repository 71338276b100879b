"""The base of the CAM heads: class maps whose spatial mean is the classifier's score."""

from __future__ import annotations

import torch
from mmpretrain.models.heads import MultiLabelClsHead
from torch import nn

# Eq. 1 of the paper. mmpretrain's multi-label heads divide the sum over all entries by the batch
# size (their avg_factor), so this is the sum over the classes and the mean over the images.
_EQ_1 = dict(type='CrossEntropyLoss', use_sigmoid=True)


class ClassMapHead(MultiLabelClsHead):
    """Score every position with a 1x1 convolution ``fc8`` and average: Eq. 2 by construction.

    The score of a class is the spatial mean of its class map, bias included, so that a class map
    is the classifier's own decomposition over the image and not a second computation beside it.
    ``fc8`` starts from N(0, 0.01) with zero bias (section 5.2 of the paper). A subclass may put
    layers before ``fc8`` by overriding :meth:`pre_logits`.

    Args:
        in_channels: Channels that ``fc8`` reads.
        num_classes: Classes without background.
        bias: Whether ``fc8`` has a bias; it is then part of the class map.
        loss: Config of the loss, Eq. 1 by default.
        **kwargs: ``thr``, ``topk`` and ``init_cfg`` as in mmpretrain's ``MultiLabelClsHead``.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int = 20,
        *,
        bias: bool = False,
        loss: dict = _EQ_1,
        **kwargs,
    ):
        super().__init__(loss=loss, **kwargs)
        self.in_channels = in_channels
        self.num_classes = num_classes
        self.fc8 = nn.Conv2d(in_channels, num_classes, 1, bias=bias)
        nn.init.normal_(self.fc8.weight, std=0.01)
        if bias:
            nn.init.zeros_(self.fc8.bias)

    def pre_logits(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the input of ``fc8`` (N, in_channels, h, w) from the backbone's last output.

        Raises:
            ValueError: That is not a feature map.
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
        return self.fc8(self.pre_logits(feats))

    def forward(self, feats: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Compute the scores before the sigmoid, (N, num_classes): the means of the maps."""
        return self.class_maps(feats).mean(dim=(2, 3))
