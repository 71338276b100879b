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
from .wst_weights import SeedView, over_pixels, view_seeds

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
        balance: Of the rule ``'wst'``, see :class:`mmws.models.rules.wst.WST`.
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
            seg_logits, seeds, ignore_index, present: As in :meth:`forward`.
            shares: (C,) shares of the classes in the data, where one batch cannot tell them.
            learn: Let the rule learn from the batch.
        """
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == seg_logits.dim() - 1:
            handed = seeds_behind(seeds, ignore_index)
            if handed is None:
                seeds = seeds.unsqueeze(1)
            else:
                self._check_label(seeds, handed.vote, ignore_index)
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
        # Of two classes with the logits 0 and z the softmax is the sigmoid of z.
        use_sigmoid = self.use_sigmoid and seg_logits.shape[1] > 1
        loss, mass = self._per_pixel(_two_classes(seg_logits), view, use_sigmoid)
        reduction = reduction_override or self.reduction
        if reduction == 'mean' and avg_factor is None:
            if self.average == 'all':
                mass = torch.where(mass == 0, 1.0, mass)
            avg_factor = mass.sum()
            all_reduce(avg_factor, 'mean')
        if weight is not None:
            weight = weight.float().reshape(loss.shape)
        return self.loss_weight * weight_reduce_loss(loss, weight, reduction, avg_factor)

    def _check_label(self, label: Tensor, vote: Tensor | None, ignore_index: int) -> None:
        """Refuse a label map that is not the vote, where the seeds would take its place.

        A third-party head may compute labels of its own (edges, say) on the grid of the label, for
        which the seeds mean nothing.
        """
        if vote is None or ((label == vote) | (label == ignore_index) | (label == UNKNOWN)).all():
            return
        name = self.rule.name.removesuffix('.rule').removesuffix('.wst')  # of a converted loss
        raise RuntimeError(
            f"{name} was given a label map that is not the seeds' majority vote: its head makes "
            'labels of its own, for which the seeds mean nothing. Leave this loss the stock '
            f'CrossEntropyLoss: model = dict(keep_stock=[{name!r}]).'
        )

    def _per_pixel(
        self, logits: Tensor, view: SeedView, use_sigmoid: bool
    ) -> tuple[Tensor, Tensor]:
        """Compute the loss of every pixel, Eq. 5 before the sum over i, j, in float32.

        Returns:
            The loss (N, H, W), 0 where no seed knows the pixel, and the mass (N, H, W) without
            gradient: 1 where at least one seed knows the pixel, else 0; with class weights the
            weighted mean of those of its seeds. Its sum is what the mean divides by.
        """
        # One softmax for all seeds; what each of them says is looked up in it.
        if view.target is None:
            labels, weights = view.seeds.long(), view.weights * view.known
        else:
            labels, weights = None, view.target
        mass = view.known.any(1).float()
        logits = logits.float()
        if self.class_weight is not None:
            check_class_weight(self.class_weight, logits.shape[1], self.loss_name)
            unweighted = weights.sum(1).clamp(min=torch.finfo(torch.float32).tiny)
            per_class = over_pixels(logits.new_tensor(self.class_weight)[None], logits)
            weights = weights * _look_up(per_class.expand_as(logits), labels)
            mass = weights.sum(1) / unweighted
        if use_sigmoid:
            said = (weights * _look_up(logits, labels)).sum(1)
            return weights.sum(1) * F.softplus(logits).mean(1) - said / logits.shape[1], mass
        cost = BASES[self.base](_look_up(logits.log_softmax(1), labels))
        return (weights * cost).sum(1), mass


def build_rule(rule: str | dict, **options: float | None) -> Rule:
    """Build a rule by its name or its config with ``type``; options that are None are left out.

    Raises:
        ValueError: There is no such rule.
        TypeError: The rule does not have an option.
    """
    cfg = dict(rule) if isinstance(rule, dict) else dict(type=rule)
    name = cfg.pop('type', None)
    if name not in RULES:
        raise ValueError(
            f'rule must be one of {", ".join(sorted(RULES.module_dict))}; got {rule!r}.'
        )
    # RULES.build would look in the registry of the default scope, mmseg, and log that it is none.
    return RULES.get(name)(**cfg, **{k: v for k, v in options.items() if v is not None})


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


def _look_up(values: Tensor, labels: Tensor | None) -> Tensor:
    """Return what (N, C, ...) has at the labels (N, K, ...) of the seeds; all of it for None."""
    return values if labels is None else values.gather(1, labels)
