"""Query heads (MaskFormer, Mask2Former, SAN), with the seeds on their semantic map."""

from __future__ import annotations

import torch
from mmseg.models.utils import resize
from torch import Tensor

from .hand_over import handed_seeds

# Below any probability that matters: the logarithm and its gradient stay finite.
_FLOOR = 1e-12


def semantic_logits(class_scores: Tensor, masks: Tensor) -> Tensor:
    """Return the semantic map that queries amount to, as logits.

    A query head predicts per pixel and class the sum over its queries of the query's probability
    for the class, times its mask there. The softmax of what is returned here is that map divided by
    its sum over the classes, and its argmax is the head's prediction.

    Args:
        class_scores: (N, Q, C + 1) floats before the softmax, the last for 'no object'.
        masks: (N, Q, H, W) floats before the sigmoid.

    Returns:
        (N, C, H, W) float32.
    """
    with torch.autocast(masks.device.type, enabled=False):
        probability = class_scores.float().softmax(-1)[..., :-1]
        return (torch.einsum('nqc,nqhw->nchw', probability, masks.float().sigmoid()) + _FLOOR).log()


class SeedsOnSemanticMap:
    """Adds the WST loss of its semantic map to a query head.

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
