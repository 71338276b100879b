"""The weighted selective training (WST) loss, Eq. 4 to 7 of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.models.losses.utils import get_class_weight, weight_reduce_loss
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmws.files.label_map import UNKNOWN

from .hand_over import seeds_behind


class SeedView(NamedTuple):
    """The seeds of a batch and how far a WST loss believes them; without gradient.

    Attributes:
        logits: (N, C, H, W) float32, or (N, C, P) at points; the others likewise.
        seeds: (N, K, H, W) integers in [0, C); 0 where a seed does not know.
        known: (N, K, H, W) bool, where a seed knows.
        weights: (N, K, H, W) float32 in [0, 1], Eq. 6; 0 for a seed that an image lacks.
        counted: (N, 1, H, W), how many seeds the softmax of Eq. 6 runs over: the weight times it
            is 1 on average.
    """

    logits: Tensor
    seeds: Tensor
    known: Tensor
    weights: Tensor
    counted: Tensor


@torch.no_grad()
def view_seeds(
    seg_logits: Tensor,
    seeds: Tensor,
    scale: float = 1.0,
    ignore_index: int = UNKNOWN,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
    balance: float = 0.0,
    shares: Tensor | None = None,
) -> SeedView:
    """Weigh the seeds of a batch by the online prediction, Eq. 6 and 7.

    Args:
        seg_logits: (N, C, H, W) floats, the online prediction before the softmax.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index`` where a seed does not know.
        scale: See :class:`WSTLoss`, as for ``unknown`` and ``balance``.
        ignore_index: The label of unknown pixels; it never matches a prediction.
        present: (N, K) bool, False for a seed that an image lacks: weight 0, and not among the N_k.
        shares: (C,) shares of the classes for ``balance``. None: counted in ``seeds``, over all
            processes, which must all come here.

    Raises:
        ValueError: Shapes that do not fit, or a label outside [0, C).
    """
    seeds, known = _check_seeds(seg_logits, seeds, ignore_index)
    logits = seg_logits.detach().float()
    counted = known if unknown == 'drop' else torch.ones_like(known)
    if present is not None:
        counted = counted & _over_pixels(present, known)
    biased = logits + _class_bias(logits, seeds, known, balance, shares) if balance else logits
    predicted = biased.max(1, keepdim=True).indices  # faster than argmax on a CPU
    matches = known & (seeds == predicted)  # Eq. 7
    energy = (scale * matches.float()).masked_fill_(~counted, -torch.inf)
    weights = energy.softmax(1).masked_fill_(~counted, 0)  # Eq. 6; NaN where no seed counts
    return SeedView(logits, seeds, known, weights, counted.sum(1, keepdim=True))


def wst_weights(seg_logits: Tensor, seeds: Tensor, *args, **kwargs) -> Tensor:
    """Return the weights (N, K, H, W) of Eq. 6; see :func:`view_seeds` for the arguments."""
    return view_seeds(seg_logits, seeds, *args, **kwargs).weights


def weighted_cross_entropy(
    seg_logits: Tensor,
    view: SeedView,
    *,
    class_weight: Tensor | None = None,
    use_sigmoid: bool = False,
) -> tuple[Tensor, Tensor]:
    """Compute the loss of every pixel, Eq. 5 before the sum over i, j.

    Args:
        seg_logits: (N, C, H, W) floats; computed in float32.
        view: The seeds and their weights, whatever rule weighed them.
        class_weight: (C,) floats, multiplies the loss of a seed's pixel by its label's weight.
        use_sigmoid: C binary cross entropies (their mean over C) instead of the softmax one.

    Returns:
        The loss (N, H, W) float32, 0 where no seed knows the pixel, and the mass (N, H, W) float32
        without gradient: 1 where at least one seed knows the pixel, else 0; with ``class_weight``
        the weighted mean of its seeds' class weights. Its sum is what the mean divides by.
    """
    labels = view.seeds.long()
    weights = view.weights * view.known
    mass = view.known.any(1).float()
    if class_weight is not None:
        unweighted = weights.sum(1).clamp(min=torch.finfo(torch.float32).tiny)
        weights = weights * class_weight[labels]
        mass = weights.sum(1) / unweighted
    logits = seg_logits.float()
    if use_sigmoid:
        said = (weights * logits.gather(1, labels)).sum(1)
        return weights.sum(1) * F.softplus(logits).mean(1) - said / logits.shape[1], mass
    # One softmax for all seeds; what each of them says is looked up in it.
    return -(weights * logits.log_softmax(1).gather(1, labels)).sum(1), mass


@MODELS.register_module()
class WSTLoss(nn.Module):
    """Weighted selective training: cross entropy with K seeds, weighted by the online prediction.

    A decode-head loss with mmseg's signature. With one label map (or K = 1) it is mmseg's
    ``CrossEntropyLoss(avg_non_ignore=True)``; with ``scale=0`` it is the plain average of Eq. 4.
    Inside a :class:`MultiSeedSegmentor` the heads still pass their one (N, H, W) label and the
    seeds are picked up from the hand-over; pixels that the head masked out of its label stay
    masked. Logits with one channel z are mmseg's binary form: the classes' logits are 0 and z.

    The mean is taken over the pixels that at least one seed labels, over the whole batch of all
    processes: a step on several GPUs has the gradient of one process with the whole batch.

    Args:
        scale: The factor s of Eq. 6, >= 0; the paper uses 1. Larger is more selective.
        balance: How far the prediction that selects the seeds is balanced by class, >= 0; the paper
            has 0. In Eq. 7 alone, logits are compared after -balance * log(share of the class among
            the labels of the batch) is added, and only those of classes that some seed of the image
            names. With 1 a frequent class does not win because it is frequent: selection stays safe
            where all seeds err towards background, or where the network starts from nothing.
        unknown: ``'keep'`` leaves unknown seeds in the softmax over k (the paper's formula: the
            weights of all present seeds sum to 1); ``'drop'`` takes them out (the weights of the
            seeds that know the pixel sum to 1).
        average: What the mean divides by: ``'labelled'`` pixels (at least one seed knows them) or
            ``'all'`` pixels (Eq. 5 literally).
        use_sigmoid: C binary cross entropies instead of the softmax one, as in mmseg.
        class_weight: C floats or a file that holds them, as in mmseg.
        reduction: ``'mean'``, ``'sum'`` or ``'none'``.
        loss_weight: Multiplies the result.
        ignore_index: The label of unknown pixels, where the call names none.
        loss_name: The name in the logs; starts with ``loss_`` so that it is back-propagated.

    Example:
        >>> loss = WSTLoss()
        >>> loss(torch.randn(2, 21, 41, 41), torch.randint(0, 21, (2, 12, 41, 41)))
    """

    def __init__(
        self,
        *,
        scale: float = 1.0,
        balance: float = 0.0,
        unknown: str = 'keep',
        average: str = 'labelled',
        use_sigmoid: bool = False,
        class_weight: Sequence[float] | str | None = None,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: int = UNKNOWN,
        loss_name: str = 'loss_wst',
    ):
        super().__init__()
        if not (scale >= 0 and balance >= 0):
            raise ValueError(f'scale and balance must be >= 0; got {scale} and {balance}.')
        if unknown not in ('keep', 'drop') or average not in ('labelled', 'all'):
            raise ValueError(
                f"unknown must be 'keep' or 'drop', and average 'labelled' or 'all'; got "
                f'{unknown!r} and {average!r}.'
            )
        if use_sigmoid and class_weight is not None:
            raise ValueError(
                'class_weight has no place in the sigmoid form, where mmseg reads it as the weight '
                'of positives. Use loss_weight, or use_sigmoid=False.'
            )
        self.scale = scale
        self.balance = balance
        self.unknown = unknown
        self.average = average
        self.use_sigmoid = use_sigmoid
        self.class_weight = get_class_weight(class_weight)
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self.loss_name = loss_name

    def view(
        self,
        seg_logits: Tensor,
        seeds: Tensor,
        ignore_index: int | None = None,
        present: Tensor | None = None,
        shares: Tensor | None = None,
    ) -> SeedView:
        """Weigh the seeds that the loss sees when it is called with the same arguments."""
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == seg_logits.dim() - 1:
            handed = seeds_behind(seeds, ignore_index)
            if handed is None:
                seeds = seeds.unsqueeze(1)
            else:
                seeds, present, ignore_index = handed.seeds, handed.present, UNKNOWN
        logits, options = _two_classes(seg_logits), dict(unknown=self.unknown, balance=self.balance)
        return view_seeds(
            logits, seeds, self.scale, ignore_index, present=present, shares=shares, **options
        )

    def forward(
        self,
        seg_logits: Tensor,
        seeds: Tensor,
        weight: Tensor | None = None,
        avg_factor: float | None = None,
        reduction_override: str | None = None,
        ignore_index: int | None = None,
        present: Tensor | None = None,
        **kwargs,
    ) -> Tensor:
        """Compute the loss, a scalar, or (N, H, W) with reduction ``'none'``.

        Args:
            seg_logits: (N, C, H, W) floats of images, or (N, C, P) of points.
            seeds: (N, K, H, W) integers, or one label map (N, H, W); of points likewise.
            weight: (N, H, W) or (N, 1, H, W) floats, multiplies each pixel's loss.
            avg_factor: What the mean divides by, in place of the count.
            reduction_override: Replaces ``reduction`` for this call, as ``ignore_index`` does.
            present: (N, K) bool, False for a seed that an image lacks altogether.
        """
        view = self.view(seg_logits, seeds, ignore_index, present)
        logits = _two_classes(seg_logits)
        class_weight = None
        if self.class_weight is not None:
            check_class_weight(self.class_weight, logits.shape[1], self.loss_name)
            class_weight = logits.new_tensor(self.class_weight, dtype=torch.float32)
        # Of two classes with the logits 0 and z the softmax is the sigmoid of z.
        use_sigmoid = self.use_sigmoid and seg_logits.shape[1] > 1
        loss, mass = weighted_cross_entropy(
            logits, view, class_weight=class_weight, use_sigmoid=use_sigmoid
        )
        reduction = reduction_override or self.reduction
        if reduction == 'mean' and avg_factor is None:
            if self.average == 'all':
                mass = torch.where(mass == 0, 1.0, mass)
            avg_factor = mass.sum()
            all_reduce(avg_factor, 'mean')
        if weight is not None:
            weight = weight.float().reshape(loss.shape)
        return self.loss_weight * weight_reduce_loss(loss, weight, reduction, avg_factor)


def check_class_weight(class_weight: Sequence[float], num_classes: int, where: str) -> None:
    """Raise a ValueError for class weights of another number than the classes."""
    if len(class_weight) != num_classes:
        raise ValueError(
            f'class_weight of {where} has {len(class_weight)} values for {num_classes} classes. '
            'Give one for each class that the head predicts; with reduce_zero_label background is '
            'none of them.'
        )


def _two_classes(logits: Tensor) -> Tensor:
    """Give mmseg's binary form, one channel z, the two channels 0 and z."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)


def _over_pixels(values: Tensor, like: Tensor) -> Tensor:
    """View (N, X) as (N, X, 1, 1), or (N, X, 1) for points."""
    return values.reshape(*values.shape, *(1,) * (like.dim() - 2))


def _class_bias(
    logits: Tensor, seeds: Tensor, known: Tensor, balance: float, shares: Tensor | None
) -> Tensor:
    """Return (N, C, 1, 1), what balances the classes; -inf for those that no seed names."""
    counts = logits.new_zeros(logits.shape[:2])
    counts.scatter_add_(1, seeds.flatten(1).long(), known.flatten(1).float())
    if shares is None:
        shares = counts.sum(0)
        all_reduce(shares)
        shares = shares / shares.sum()
    bias = -balance * shares.to(counts).clamp(min=1e-3).log()
    return _over_pixels(torch.where(counts > 0, bias, -torch.inf), logits)


def _check_seeds(seg_logits: Tensor, seeds: Tensor, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Refuse seeds that do not fit; return them with 0 where they are unknown, and where not."""
    if (len(seeds), *seeds.shape[2:]) != (len(seg_logits), *seg_logits.shape[2:]):
        raise ValueError(
            f'seeds must be (N, K, H, W) matching logits {tuple(seg_logits.shape)}; got '
            f'{tuple(seeds.shape)}. Does the pipeline end with PackMultiSeedInputs?'
        )
    if seeds.is_floating_point() or seeds.dtype == torch.bool:
        raise ValueError(f'seeds are integer label maps; got {seeds.dtype}.')
    known, num_classes = seeds != ignore_index, seg_logits.shape[1]
    labels = seeds.masked_fill(~known, 0)
    # On a GPU the check would wait for the device; there the dataset's own check has to do.
    if seeds.device.type == 'cpu':
        wrong = labels[(labels < 0) | (labels >= num_classes)]
        if wrong.numel():
            raise ValueError(
                f'seed labels must be in [0, {num_classes}) or {ignore_index} (unknown); found '
                f'{wrong.unique().tolist()[:5]}. Do the classes of the seeds and num_classes agree?'
            )
    return labels, known
