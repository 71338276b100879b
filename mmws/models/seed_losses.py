"""mmseg's cross entropies, reading K seeds where they are handed over beside the label."""

from __future__ import annotations

import torch
from mmseg.models.losses import CrossEntropyLoss, OhemCrossEntropy
from torch import Tensor, nn

from mmws.files.label_map import UNKNOWN

from .hand_over import seeds_behind
from .wst_loss import WSTLoss


class SeedCrossEntropyLoss(nn.Module):
    """A stock ``CrossEntropyLoss`` that becomes the WST loss while seeds are handed over.

    It keeps the stock loss's weight, class weights, sigmoid form, name and average. Where no seeds
    are handed over, or the label it is called with is on another grid than they are (class presence
    in EncNet), it is the stock loss on that label.

    Args:
        stock: The loss to stand in for.
        average: See :class:`WSTLoss`. None takes the stock loss's: ``'labelled'`` with
            ``avg_non_ignore`` or class weights (of which unknown pixels have none), else ``'all'``.
        **options: ``rule``, ``base``, ``unknown``, ``scale`` and ``balance`` of :class:`WSTLoss`.
    """

    def __init__(self, stock: CrossEntropyLoss, *, average: str | None = None, **options):
        super().__init__()
        self.stock = stock
        self.loss_name = stock.loss_name
        labelled = stock.avg_non_ignore or stock.class_weight is not None
        self.wst = WSTLoss(
            average=average or ('labelled' if labelled else 'all'),
            use_sigmoid=stock.use_sigmoid,
            class_weight=stock.class_weight,
            reduction=stock.reduction,
            loss_weight=stock.loss_weight,
            loss_name=stock.loss_name,
            **options,
        )

    def forward(
        self, cls_score: Tensor, label: Tensor, *args, ignore_index: int = -100, **kwargs
    ) -> Tensor:
        """As the stock loss; of images (N, C, H, W) or of points (N, C, P)."""
        if seeds_behind(label, ignore_index) is None:
            return self.stock(cls_score, label, *args, ignore_index=ignore_index, **kwargs)
        # Some heads (DDRNet's, PIDNet's) name no ignored label, and then -100 reaches a stock loss,
        # which fails on the 255 of unknown pixels.
        ignore_index = UNKNOWN if ignore_index < 0 else ignore_index
        return self.wst(cls_score, label, *args, ignore_index=ignore_index, **kwargs)


class SeedOhemCrossEntropy(nn.Module):
    """A stock ``OhemCrossEntropy`` that becomes the WST loss while seeds are handed over.

    Hard pixels are chosen as in mmseg, by the probability of the label, which is the seeds'
    majority vote; their loss is the WST loss, and the mean is over them, whatever ``average`` says.
    The other arguments are those of :class:`SeedCrossEntropyLoss`.
    """

    def __init__(self, stock: OhemCrossEntropy, *, average: str | None = None, **options):
        super().__init__()
        self.stock = stock
        self.loss_name = stock.loss_name
        self.wst = WSTLoss(class_weight=stock.class_weight, reduction='none', **options)

    def forward(self, score: Tensor, target: Tensor) -> Tensor:
        """As the stock loss: scores (N, C, H, W), label (N, H, W)."""
        stock = self.stock
        if seeds_behind(target, stock.ignore_label) is None:
            return stock(score, target)
        loss = self.wst(score, target, ignore_index=stock.ignore_label)
        chosen_from = target != stock.ignore_label
        if not chosen_from.any():
            return loss.sum() * 0
        with torch.no_grad():
            label = target.masked_fill(~chosen_from, 0).unsqueeze(1)
            probability = score.float().softmax(1).gather(1, label).squeeze(1)[chosen_from]
            kept = min(stock.min_kept, probability.numel() - 1)
            # The kept-th smallest, as mmseg reads it out of the sorted list.
            threshold = probability.kthvalue(kept + 1).values.clamp(min=stock.thresh)
            hard = probability < threshold
        # None is below the threshold where a single pixel is left; mmseg's mean is NaN there.
        return stock.loss_weight * loss[chosen_from][hard].sum() / hard.sum().clamp(min=1)


def find_wst_losses(model: nn.Module) -> list[WSTLoss]:
    """Return the WST losses of a model's decode head; none where it has no such head."""
    head = getattr(model, 'decode_head', nn.Identity())
    return [module for module in head.modules() if isinstance(module, WSTLoss)]
