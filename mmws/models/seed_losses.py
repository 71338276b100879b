"""mmseg's cross entropies, reading K seeds where they are handed over beside the label."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mmseg.models.losses import CrossEntropyLoss, OhemCrossEntropy
from torch import Tensor, nn

from .hand_over import UNKNOWN_LABEL, handed_seeds
from .wst_loss import WSTLoss


class SeedCrossEntropyLoss(nn.Module):
    """A stock ``CrossEntropyLoss`` that becomes the WST loss while seeds are handed over.

    It keeps the stock loss's weight, class weights, sigmoid form, name and average. Where no seeds
    are handed over, or the label it is called with is on another grid than they are (class presence
    in EncNet), it is the stock loss on that label.

    Args:
        stock: The loss to stand in for.
        scale: See :class:`WSTLoss`, as for the next three.
        unknown: ``'keep'`` or ``'drop'``.
        balance: 0 is the paper.
        average: None takes the stock loss's: ``'labelled'`` with ``avg_non_ignore``, else
            ``'all'``.
    """

    def __init__(
        self,
        stock: CrossEntropyLoss,
        *,
        scale: float = 1.0,
        unknown: str = 'keep',
        balance: float = 0.0,
        average: str | None = None,
    ):
        super().__init__()
        self.stock = stock
        options = dict(
            scale=scale,
            unknown=unknown,
            balance=balance,
            average=average or ('labelled' if stock.avg_non_ignore else 'all'),
            reduction=stock.reduction,
            loss_weight=stock.loss_weight,
            loss_name=stock.loss_name,
        )
        self.wst = WSTLoss(
            use_sigmoid=stock.use_sigmoid, class_weight=stock.class_weight, **options
        )
        # One channel is mmseg's binary form: softmax over (0, z) is the sigmoid of z.
        self.wst_of_two = WSTLoss(**options)
        self._of_two = False

    @property
    def in_use(self) -> WSTLoss:
        """The one of the two forms that the last step has used."""
        return self.wst_of_two if self._of_two else self.wst

    @property
    def loss_name(self) -> str:
        return self.stock.loss_name

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int = -100,
        **kwargs,
    ) -> Tensor:
        """As the stock loss; of images (N, C, H, W) or of points (N, C, P)."""
        options = dict(avg_factor=avg_factor, reduction_override=reduction_override)
        of_points = cls_score.dim() == 3
        logits, labels = (
            (cls_score.unsqueeze(-1), label.unsqueeze(-1)) if of_points else (cls_score, label)
        )
        if not _behind_are_seeds(logits, labels):
            return self.stock(
                cls_score, label, weight, ignore_index=ignore_index, **options, **kwargs
            )
        # Some heads (DDRNet's, PIDNet's) name no ignored label, and then -100 reaches a stock loss,
        # which fails on the 255 of unknown pixels.
        options['ignore_index'] = UNKNOWN_LABEL if ignore_index < 0 else ignore_index
        if weight is not None and of_points:
            weight = weight.unsqueeze(-1)
        self._of_two = logits.shape[1] == 1
        if self._of_two:
            logits = torch.cat([torch.zeros_like(logits), logits], 1)
        loss = self.in_use(logits, labels, weight, **options)
        return loss.squeeze(-1) if of_points and loss.dim() else loss


class SeedOhemCrossEntropy(nn.Module):
    """A stock ``OhemCrossEntropy`` that becomes the WST loss while seeds are handed over.

    Hard pixels are chosen as in mmseg, by the probability of the label, which is the seeds'
    majority vote; their loss is the WST loss.

    Args:
        stock: The loss to stand in for.
        scale: See :class:`WSTLoss`, as for the next two.
        unknown: ``'keep'`` or ``'drop'``.
        balance: 0 is the paper.
    """

    def __init__(
        self,
        stock: OhemCrossEntropy,
        *,
        scale: float = 1.0,
        unknown: str = 'keep',
        balance: float = 0.0,
    ):
        super().__init__()
        self.stock = stock
        self.wst = WSTLoss(
            scale=scale,
            unknown=unknown,
            balance=balance,
            class_weight=stock.class_weight,
            reduction='none',
        )

    @property
    def loss_name(self) -> str:
        return self.stock.loss_name

    def forward(self, score: Tensor, target: Tensor) -> Tensor:
        """As the stock loss: scores (N, C, H, W), label (N, H, W)."""
        if not _behind_are_seeds(score, target):
            return self.stock(score, target)
        handed, stock = handed_seeds(), self.stock
        handed.uses.append(type(self).__name__)
        chosen_from = target != stock.ignore_label
        loss = self.wst(
            score,
            handed.seeds.masked_fill(~chosen_from.unsqueeze(1), UNKNOWN_LABEL),
            ignore_index=UNKNOWN_LABEL,
            present=handed.present,
        )
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


def find_seed_losses(model: nn.Module, head: str) -> list[nn.Module]:
    """The outermost losses that take seeds below a head.

    Args:
        model: A segmentor.
        head: Name of a module of it, such as ``decode_head``.

    Returns:
        Instances of :class:`WSTLoss`, :class:`SeedCrossEntropyLoss` or
        :class:`SeedOhemCrossEntropy`; none is part of another.
    """
    return list(_outermost(model, '', head))


def wst_of(loss: nn.Module) -> WSTLoss:
    """The WST loss that a loss for seeds computes with: the loss itself, or the one inside."""
    if isinstance(loss, SeedCrossEntropyLoss):
        return loss.in_use
    return loss.wst if isinstance(loss, SeedOhemCrossEntropy) else loss


def wst_settings(loss: nn.Module) -> dict:
    """What :func:`wst_weights` needs to know of a loss that takes seeds, at this point of the
    training: ``scale``, ``unknown`` and ``class_bias``."""
    loss = wst_of(loss)
    return dict(scale=loss.current_scale, unknown=loss.unknown, class_bias=loss.class_bias)


def _outermost(module: nn.Module, name: str, head: str) -> Iterator[nn.Module]:
    for child_name, child in module.named_children():
        path = f'{name}.{child_name}' if name else child_name
        below = f'{path}.'.startswith(f'{head}.')
        if below and isinstance(child, (WSTLoss, SeedCrossEntropyLoss, SeedOhemCrossEntropy)):
            yield child
        elif below or f'{head}.'.startswith(f'{path}.'):
            yield from _outermost(child, path, head)


def _behind_are_seeds(logits: Tensor, labels: Tensor) -> bool:
    """Whether seeds are handed over on the grid of this label map."""
    handed = handed_seeds()
    if handed is None or logits.dim() != 4 or labels.dim() != 3:
        return False
    batch, _, height, width = handed.seeds.shape
    return labels.shape == (batch, height, width) and logits.shape[2:] == labels.shape[1:]
