"""What mmseg's point and query heads need to learn from seeds, and how they are given it."""

from __future__ import annotations

from functools import cache

import torch
from mmcv.ops import point_sample
from mmseg.models.utils import resize
from mmseg.utils import SampleList
from torch import Tensor, nn

from .hand_over import hand_over, handed_seeds


class SeedsAtPoints:
    """Sample the handed-over seeds at the points of a ``PointHead``, as mmseg does its label."""

    def loss_by_feat(
        self, point_logits: Tensor, points: Tensor, batch_data_samples: SampleList, **kwargs
    ) -> dict:
        batch = handed_seeds()
        if batch is not None:
            seeds = point_sample(
                batch.seeds.float(), points, mode='nearest', align_corners=self.align_corners
            )
            batch = batch.resampled(seeds.to(batch.seeds.dtype))
        with hand_over(batch):
            return super().loss_by_feat(point_logits, points, batch_data_samples, **kwargs)


def semantic_logits(class_scores: Tensor, masks: Tensor) -> Tensor:
    """Return the semantic map that queries amount to, as logits (N, C, H, W) float32.

    A query head predicts per pixel and class the sum over its queries of the query's probability
    for the class, times its mask there. The softmax of what is returned here is that map divided by
    its sum over the classes, and its argmax is the head's prediction.

    Args:
        class_scores: (N, Q, C + 1) floats before the softmax, the last for 'no object'.
        masks: (N, Q, H, W) floats before the sigmoid.
    """
    with torch.autocast(masks.device.type, enabled=False):
        probability = class_scores.float().softmax(-1)[..., :-1]
        scores = torch.einsum('nqc,nqhw->nchw', probability, masks.float().sigmoid())
        return (scores + 1e-12).log()  # the logarithm and its gradient stay finite


class SeedsOnSemanticMap:
    """Add the WST loss of its semantic map to a query head (MaskFormer, Mask2Former, SAN).

    A query is matched to the mask of one class in one label map, so a query head's own losses learn
    from the majority vote. The loss added here, ``dense_loss``, sees every seed. It is computed
    for the last decoder layer on the grid of the masks, resized to the label as the logits of any
    head are.
    """

    def loss_by_feat(
        self, all_cls_scores: list[Tensor] | Tensor, all_mask_preds: list[Tensor] | Tensor, *args
    ) -> dict:
        losses = super().loss_by_feat(all_cls_scores, all_mask_preds, *args)
        handed = handed_seeds()
        if handed is not None:
            logits = resize(
                semantic_logits(all_cls_scores[-1], all_mask_preds[-1]),
                size=handed.seeds.shape[2:],
                mode='bilinear',
                align_corners=self.align_corners,
            )
            handed.uses.append(tuple(handed.seeds.shape))
            losses[self.dense_loss.loss_name] = self.dense_loss(
                logits, handed.seeds, present=handed.present
            )
        return losses


@cache
def join(behaviour: type, stock: type) -> type:
    """Make the subclass of two classes of modules that pickle and deepcopy understand.

    The methods of ``behaviour`` come first. A built module of the class ``stock`` may be given the
    joined class in its place, if ``behaviour`` has no constructor; its weights stay.
    """
    members = dict(__module__=stock.__module__, __reduce_ex__=_reduce)
    return type(f'MultiSeed{stock.__name__}', (behaviour, stock), members)


def _reduce(module: nn.Module, protocol: int) -> tuple:
    # The joined class has no address of its own; the two that it is made of have.
    return _rebuild, type(module).__bases__, module.__dict__


def _rebuild(behaviour: type, stock: type) -> nn.Module:
    return object.__new__(join(behaviour, stock))
