"""The weighted selective training (WST) loss, Eq. 4 and 5 of the paper."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.models.losses.utils import get_class_weight, weight_reduce_loss
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmws.files.label_map import UNKNOWN

from .hand_over import seeds_behind
from .rules import RULES, Rule
from .wst_weights import SeedView, view_seeds


def weighted_cross_entropy(
    seg_logits: Tensor,
    view: SeedView,
    *,
    class_weight: Tensor | None = None,
    use_sigmoid: bool = False,
    base: str = 'ce',
) -> tuple[Tensor, Tensor]:
    """Compute the loss of every pixel, Eq. 5 before the sum over i, j.

    Args:
        seg_logits: (N, C, H, W) floats; computed in float32.
        view: The seeds and their weights, or the soft label, whatever rule made them.
        class_weight: (C,) floats, multiplies the loss of a seed's pixel by its label's weight.
        use_sigmoid: C binary cross entropies (their mean over C) instead of the softmax one.
        base: What a label costs, a key of :data:`BASES`.

    Returns:
        The loss (N, H, W) float32, 0 where no seed knows the pixel, and the mass (N, H, W) float32
        without gradient: 1 where at least one seed knows the pixel, else 0; with ``class_weight``
        the weighted mean of its seeds' class weights. Its sum is what the mean divides by.
    """
    # One softmax for all seeds; what each of them says is looked up in it.
    if view.target is None:
        labels, weights = view.seeds.long(), view.weights * view.known
    else:
        labels, weights = None, view.target
    mass = view.known.any(1).float()
    if class_weight is not None:
        unweighted = weights.sum(1).clamp(min=torch.finfo(torch.float32).tiny)
        per_class = class_weight.reshape(1, -1, *(1,) * (seg_logits.dim() - 2))
        weights = weights * _look_up(per_class.expand_as(seg_logits), labels)
        mass = weights.sum(1) / unweighted
    logits = seg_logits.float()
    if use_sigmoid:
        said = (weights * _look_up(logits, labels)).sum(1)
        return weights.sum(1) * F.softplus(logits).mean(1) - said / logits.shape[1], mass
    return (weights * BASES[base](_look_up(logits.log_softmax(1), labels))).sum(1), mass


def _look_up(values: Tensor, labels: Tensor | None) -> Tensor:
    """Return what (N, C, ...) has at the labels (N, K, ...) of the seeds; all of it for None."""
    return values if labels is None else values.gather(1, labels)


# What a label costs, by the log probability that the network gives it.
BASES = {
    'ce': torch.neg,
    # Generalised cross entropy (1 - p^q) / q with q = .7 (Zhang & Sabuncu 2018).
    'gce': lambda log_p: (1 - (0.7 * log_p).exp()) / 0.7,
    # Symmetric cross entropy, alpha .1 and beta 1, log 0 being -4 (Wang et al. 2019).
    'sce': lambda log_p: -0.1 * log_p + 4 * (1 - log_p.exp()),
}


@MODELS.register_module()
class WSTLoss(nn.Module):
    """Cross entropy with K seeds, each weighted at each pixel: weighted selective training.

    A decode-head loss with mmseg's signature. With one label map (or K = 1) it is mmseg's
    ``CrossEntropyLoss(avg_non_ignore=True)``; with ``scale=0`` it is the plain average of Eq. 4.
    Inside a :class:`MultiSeedSegmentor` the heads still pass their one (N, H, W) label and the
    seeds are picked up from the hand-over; pixels that the head masked out of its label stay
    masked. Logits with one channel z are mmseg's binary form: the classes' logits are 0 and z.

    The mean is taken over the pixels that at least one seed labels, over the whole batch of all
    processes: a step on several GPUs has the gradient of one process with the whole batch.

    Args:
        rule: How the seeds are weighed: a name or config in :data:`mmws.models.rules.RULES`, such
            as ``'plain'`` or ``dict(type='em')``. ``'wst'`` is the paper's.
        scale: Of the rule ``'wst'``, the factor s of Eq. 6; the paper uses 1.
        balance: Of the rule ``'wst'``, see :class:`mmws.models.rules.WST`.
        unknown: ``'keep'`` leaves unknown seeds in the softmax over k (the paper's formula: the
            weights of all present seeds sum to 1); ``'drop'`` takes them out (the weights of the
            seeds that know the pixel sum to 1).
        average: What the mean divides by: ``'labelled'`` pixels (at least one seed knows them) or
            ``'all'`` pixels (Eq. 5 literally).
        use_sigmoid: C binary cross entropies instead of the softmax one, as in mmseg.
        base: What a label costs: ``'ce'``, cross entropy, or one that counts labels which the
            network finds improbable for less: ``'gce'`` (generalised) or ``'sce'`` (symmetric).
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
        rule: str | dict = 'wst',
        scale: float | None = None,
        balance: float | None = None,
        unknown: str = 'keep',
        average: str = 'labelled',
        use_sigmoid: bool = False,
        base: str = 'ce',
        class_weight: Sequence[float] | str | None = None,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: int = UNKNOWN,
        loss_name: str = 'loss_wst',
    ):
        super().__init__()
        self.rule = build_rule(rule, scale=scale, balance=balance)
        if unknown not in ('keep', 'drop') or average not in ('labelled', 'all'):
            raise ValueError(
                f"unknown must be 'keep' or 'drop', and average 'labelled' or 'all'; got "
                f'{unknown!r} and {average!r}.'
            )
        if base not in BASES or (use_sigmoid and base != 'ce'):
            raise ValueError(
                f"base must be one of {', '.join(BASES)}, and 'ce' with use_sigmoid; got {base!r}."
            )
        if use_sigmoid and class_weight is not None:
            raise ValueError(
                'class_weight has no place in the sigmoid form, where mmseg reads it as the weight '
                'of positives. Use loss_weight, or use_sigmoid=False.'
            )
        self.unknown = unknown
        self.average = average
        self.use_sigmoid = use_sigmoid
        self.base = base
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
        learn: bool = False,
    ) -> SeedView:
        """Weigh the seeds that the loss sees when it is called with the same arguments.

        Args:
            seg_logits: As in :meth:`forward`, as the next three.
            seeds: Likewise.
            ignore_index: Likewise.
            present: Likewise.
            shares: (C,) shares of the classes in the data, where one batch cannot tell them.
            learn: Let the rule learn from the batch.
        """
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == seg_logits.dim() - 1:
            handed = seeds_behind(seeds, ignore_index)
            if handed is None:
                seeds = seeds.unsqueeze(1)
            else:
                seeds, present, ignore_index = handed.seeds, handed.present, UNKNOWN
        options = dict(present=present, unknown=self.unknown, shares=shares)
        view = view_seeds(_two_classes(seg_logits), seeds, ignore_index, **options)
        return self.rule.weigh(view, learn=learn)

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
        view = self.view(seg_logits, seeds, ignore_index, present, learn=self.training)
        logits = _two_classes(seg_logits)
        class_weight = None
        if self.class_weight is not None:
            check_class_weight(self.class_weight, logits.shape[1], self.loss_name)
            class_weight = logits.new_tensor(self.class_weight, dtype=torch.float32)
        # Of two classes with the logits 0 and z the softmax is the sigmoid of z.
        use_sigmoid = self.use_sigmoid and seg_logits.shape[1] > 1
        loss, mass = weighted_cross_entropy(
            logits, view, class_weight=class_weight, use_sigmoid=use_sigmoid, base=self.base
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


def build_rule(rule: str | dict, **options: float | None) -> Rule:
    """Build a rule by its name or its config with ``type``.

    The options, but for those that are None, are of the rule ``'wst'``; others refuse them.
    """
    cfg = dict(rule) if isinstance(rule, dict) else dict(type=rule)
    options = {name: value for name, value in options.items() if value is not None}
    if cfg.get('type') != 'wst' and any(options.values()):
        raise ValueError(
            f"{' and '.join(options)} are options of the rule 'wst'; got them with {rule!r}."
        )
    if cfg.get('type') not in RULES:
        raise ValueError(
            f'rule must be one of {", ".join(sorted(RULES.module_dict))}; got {rule!r}.'
        )
    # RULES.build would look in the registry of the default scope, mmseg, and log that it is none.
    name = cfg.pop('type')
    return RULES.get(name)(**cfg, **(options if name == 'wst' else {}))


def check_class_weight(class_weight: Sequence[float], num_classes: int, where: str) -> None:
    """Raise a ValueError for class weights that are not one number >= 0 for each class."""
    if len(class_weight) != num_classes:
        raise ValueError(
            f'class_weight of {where} has {len(class_weight)} values for {num_classes} classes. '
            'Give one for each class that the head predicts; with reduce_zero_label background is '
            'none of them.'
        )
    if not all(0 <= float(weight) < math.inf for weight in class_weight):
        raise ValueError(
            f'class_weight of {where} must be finite and >= 0; got {list(class_weight)}.'
        )


def _two_classes(logits: Tensor) -> Tensor:
    """Give mmseg's binary form, one channel z, the two channels 0 and z."""
    return logits if logits.shape[1] > 1 else torch.cat([torch.zeros_like(logits), logits], 1)
