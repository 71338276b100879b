"""The weighted selective training (WST) loss, Eq. 4 to 7 of the paper."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from mmseg.models.losses.utils import get_class_weight
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from .hand_over import UNKNOWN_LABEL, handed_seeds

UNKNOWN = ('keep', 'drop')
AVERAGE = ('labelled', 'all', 'seed')

# Up to this many labels the K seeds are processed at once (few kernels); above it in slices, so
# that their int64 indices never outweigh the logits.
_AT_ONCE = 2**20


def wst_weights(
    seg_logits: Tensor,
    seeds: Tensor,
    scale: float = 1.0,
    ignore_index: int = 255,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
) -> Tensor:
    """The weight of each seed at each pixel, Eq. 6 and 7.

    Args:
        seg_logits: (N, C, H, W) floats, the online prediction before the softmax.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index`` where a seed does not know.
        scale: The factor s, >= 0. 0 gives 1/K everywhere.
        ignore_index: The label of unknown pixels; it never matches a prediction.
        present: (N, K) bool, False for a seed that an image lacks altogether: weight 0, and it
            does not count among the image's N_k. None: all are present.
        unknown: ``'keep'`` leaves unknown seeds in the softmax over k (the paper's formula: the
            weights of all present seeds sum to 1); ``'drop'`` takes them out (the weights of the
            seeds that know the pixel sum to 1).

    Returns:
        (N, K, H, W) float32 in [0, 1], without gradient.
    """
    seeds = _check_seeds(seg_logits, seeds, ignore_index)
    with torch.no_grad():
        terms = _pixel_terms(seg_logits.float(), seeds, scale, ignore_index, present, unknown)
        weights = torch.where(_matches(seeds, terms.predicted), terms.hit, terms.miss)
        if unknown == 'drop':
            weights = weights.masked_fill(seeds == ignore_index, 0.0)
        if present is not None:
            weights = weights * present[:, :, None, None]
    return weights


def wst_pixel_loss(
    seg_logits: Tensor,
    seeds: Tensor,
    *,
    scale: float = 1.0,
    ignore_index: int = 255,
    present: Tensor | None = None,
    unknown: str = 'keep',
    class_weight: Tensor | None = None,
    seed_weight: Tensor | None = None,
    use_sigmoid: bool = False,
) -> tuple[Tensor, Tensor]:
    """The loss of every pixel, Eq. 5 before the sum over i, j.

    The cross entropies of the K seeds are never formed one by one: at each pixel the weighted seeds
    are one soft label, so that the work on (N, C, H, W) is that of one cross entropy whatever K is.

    Args:
        seg_logits: (N, C, H, W) floats; computed in float32.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index``.
        scale: The factor s of Eq. 6, >= 0.
        ignore_index: The label of unknown pixels: no loss.
        present: As in :func:`wst_weights`.
        unknown: As in :func:`wst_weights`.
        class_weight: (C,) floats, multiplies the loss of a seed's pixel by its label's weight.
        seed_weight: (K,) floats, multiplies each seed's loss.
        use_sigmoid: C binary cross entropies (their mean over C) instead of the softmax one.

    Returns:
        The loss (N, H, W) float32, 0 where no seed knows the pixel, and the mass (N, H, W) float32
        without gradient: 1 where at least one seed knows the pixel, else 0; with ``class_weight``
        the weighted mean of its seeds' class weights. Its sum is what the mean divides by.

    Raises:
        ValueError: Shapes that do not fit, or a label outside [0, C).
    """
    seeds = _check_seeds(seg_logits, seeds, ignore_index)
    logits = seg_logits.float()
    with torch.no_grad():
        terms = _pixel_terms(logits, seeds, scale, ignore_index, present, unknown)
        label_weight = _label_weight(seeds.shape[1], logits.shape[1], class_weight, seed_weight)
        mass = (terms.known > 0).float()
        if class_weight is not None:
            of_labels, of_matching = _label_weight_sums(
                seeds, class_weight.expand(seeds.shape[1], -1), terms.predicted, ignore_index
            )
            extra = terms.hit - terms.miss
            weights = terms.miss * terms.known + extra * terms.matching
            mass = mass * (terms.miss * of_labels + extra * of_matching) / weights.clamp(min=1e-12)
    loss = _SoftLabelNLL.apply(logits, seeds, terms, label_weight, ignore_index, use_sigmoid)
    return loss.squeeze(1), mass.squeeze(1)


@MODELS.register_module()
class WSTLoss(nn.Module):
    """Weighted selective training: cross entropy with K seeds, weighted by the online prediction.

    A decode-head loss with mmseg's signature. With one label map (or K = 1) it is mmseg's
    ``CrossEntropyLoss(avg_non_ignore=True)``; with ``scale=0`` it is the plain average of Eq. 4.
    Inside a :class:`MultiSeedSegmentor` the heads still pass their one (N, H, W) label and the
    seeds are picked up from the hand-over; pixels that the head masked out of its label (255 where
    a seed knows the pixel) stay masked.

    The mean is taken over the pixels that at least one seed labels, over the whole batch of all
    processes: a step on several GPUs has the gradient of one process with the whole batch.

    Args:
        scale: The factor s of Eq. 6; the paper uses 1. Larger is more selective.
        unknown: ``'keep'`` (the paper's formula) or ``'drop'`` unknown pixels of a seed from the
            softmax over the seeds, see :func:`wst_weights`.
        average: What the mean divides by: ``'labelled'`` pixels (at least one seed knows them),
            ``'all'`` pixels (Eq. 5 literally), or each ``'seed'`` by its own count of known pixels.
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
        unknown: str = 'keep',
        average: str = 'labelled',
        use_sigmoid: bool = False,
        class_weight: Sequence[float] | str | None = None,
        reduction: str = 'mean',
        loss_weight: float = 1.0,
        ignore_index: int = 255,
        loss_name: str = 'loss_wst',
    ):
        super().__init__()
        if not scale >= 0:
            raise ValueError(f'scale is the factor s of Eq. 6 and must be >= 0; got {scale}.')
        _check_choice('unknown', unknown, UNKNOWN)
        _check_choice('average', average, AVERAGE)
        _check_choice('reduction', reduction, ('mean', 'sum', 'none'))
        if use_sigmoid and class_weight is not None:
            raise ValueError(
                'class_weight has no place in the sigmoid form, where mmseg reads it as the weight '
                'of positives. Use loss_weight, or use_sigmoid=False.'
            )
        self.scale = scale
        self.unknown = unknown
        self.average = average
        self.use_sigmoid = use_sigmoid
        self.class_weight = get_class_weight(class_weight)
        self.reduction = reduction
        self.loss_weight = loss_weight
        self.ignore_index = ignore_index
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        return self._loss_name

    def extra_repr(self) -> str:
        return f'scale={self.scale}, unknown={self.unknown!r}, average={self.average!r}'

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
        """Computes the loss.

        Args:
            seg_logits: (N, C, H, W) floats.
            seeds: (N, K, H, W) integers, or one label map (N, H, W).
            weight: (N, H, W) or (N, 1, H, W) floats, multiplies each pixel's loss.
            avg_factor: What the mean divides by, in place of the count.
            reduction_override: Replaces ``reduction`` for this call.
            ignore_index: Replaces the constructor's for this call.
            present: (N, K) bool, False for a seed that an image lacks altogether.

        Returns:
            A scalar, or (N, H, W) with reduction ``'none'``.
        """
        reduction = reduction_override or self.reduction
        _check_choice('reduction_override', reduction, ('mean', 'sum', 'none'))
        if avg_factor is not None and reduction == 'sum':
            raise ValueError('avg_factor can not be used with reduction="sum"')
        ignore_index = self.ignore_index if ignore_index is None else ignore_index
        if seeds.dim() == 3:
            seeds, present, ignore_index = self._seeds_behind(seeds, present, ignore_index)
        class_weight = None
        if self.class_weight is not None:
            class_weight = torch.as_tensor(
                self.class_weight, dtype=torch.float32, device=seg_logits.device
            )
        by_seed = self.average == 'seed' and reduction == 'mean' and avg_factor is None
        loss, mass = wst_pixel_loss(
            seg_logits,
            seeds,
            scale=self.scale,
            ignore_index=ignore_index,
            present=present,
            unknown=self.unknown,
            class_weight=class_weight,
            seed_weight=_inverse_counts(seeds, ignore_index) if by_seed else None,
            use_sigmoid=self.use_sigmoid,
        )
        if weight is not None:
            loss = loss * weight.float().reshape(loss.shape)
        if reduction == 'none':
            return self.loss_weight * loss
        loss = loss.sum()
        if reduction == 'mean' and not by_seed:
            if avg_factor is None:
                avg_factor = mass.sum()
                if self.average == 'all':
                    avg_factor = avg_factor + (mass == 0).sum()
                all_reduce(avg_factor, 'mean')
                avg_factor = avg_factor.clamp(min=torch.finfo(torch.float32).eps)
            else:
                avg_factor = avg_factor + torch.finfo(torch.float32).eps
            loss = loss / avg_factor
        return self.loss_weight * loss

    @staticmethod
    def _seeds_behind(
        label: Tensor, present: Tensor | None, ignore_index: int
    ) -> tuple[Tensor, Tensor | None, int]:
        """The seeds handed over with this label, masked as the head masked it; else the label."""
        handed = handed_seeds()
        if handed is None or _grid(handed.seeds) != _grid(label.unsqueeze(1)):
            return label.unsqueeze(1), present, ignore_index
        handed.uses.append('WSTLoss')
        masked = (label == ignore_index).unsqueeze(1)
        return handed.seeds.masked_fill(masked, UNKNOWN_LABEL), handed.present, UNKNOWN_LABEL


class _SoftLabelNLL(torch.autograd.Function):
    """Cross entropy of the logits with the weighted seeds as one soft label per pixel.

    With q_c = sum over the seeds k that say c of their weight, and Q = sum_c q_c <= 1, the loss is
    Q * logsumexp(z) - sum_c q_c z_c and its gradient Q * softmax(z) - q. Written out by hand
    because autograd would keep K gathered tensors, and the naive loop K log-softmaxes.

    A seed's weight is ``miss``, and ``hit - miss`` more where it says the predicted class. So the
    sums over k need one gather per seed with a weight that is the same for all seeds, and one term
    at the predicted class for all that match.
    """

    @staticmethod
    def forward(ctx, logits, seeds, terms, label_weight, ignore_index, use_sigmoid):
        if use_sigmoid:
            probability = logits.sigmoid()
            normaliser = F.softplus(logits).sum(1, keepdim=True)
        else:
            probability = logits.softmax(1)
            # The winner's probability is at least 1/C: its logarithm loses nothing, and the
            # normaliser is right for logits of any size.
            normaliser = terms.highest - probability.gather(1, terms.predicted).log()

        label_score = torch.zeros_like(terms.hit)
        for index, unknown, weight in _slices(seeds, label_weight, ignore_index, logits.shape[1]):
            score = logits.gather(1, index).masked_fill_(unknown, 0.0)
            label_score += _sum_over_seeds(score if weight is None else score * weight)
        known, matching = terms.known, terms.matching
        if label_weight is not None:
            known, matching = _label_weight_sums(seeds, label_weight, terms.predicted, ignore_index)
        extra = (terms.hit - terms.miss) * matching
        total = terms.miss * known + extra
        loss = total * normaliser - (terms.miss * label_score + extra * terms.highest)
        if use_sigmoid:
            loss = loss / logits.shape[1]
        else:
            # A difference of large numbers can fall a rounding error below zero.
            loss = loss.clamp_(min=0)
        ctx.save_for_backward(
            probability, seeds, terms.predicted, terms.miss, extra, total, label_weight
        )
        ctx.ignore_index, ctx.use_sigmoid = ignore_index, use_sigmoid
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss):
        probability, seeds, predicted, miss, extra, total, label_weight = ctx.saved_tensors
        num_classes = probability.shape[1]
        if ctx.use_sigmoid:
            grad_loss = grad_loss / num_classes
        grad = probability * (grad_loss * total)
        grad.scatter_add_(1, predicted, -grad_loss * extra)
        shared = -grad_loss * miss
        for index, unknown, weight in _slices(seeds, label_weight, ctx.ignore_index, num_classes):
            source = shared.expand_as(index) if weight is None else shared * weight
            grad.scatter_add_(1, index, source.masked_fill(unknown, 0.0))
        return grad, None, None, None, None, None


class _PixelTerms(NamedTuple):
    """What Eq. 6 and 7 need of a pixel; each (N, 1, H, W).

    At a pixel Eq. 6 takes two values only: ``hit`` for the seeds that match the prediction, and
    ``miss`` for the others.
    """

    highest: Tensor
    predicted: Tensor
    hit: Tensor
    miss: Tensor
    matching: Tensor
    known: Tensor


def _pixel_terms(
    logits: Tensor,
    seeds: Tensor,
    scale: float,
    ignore_index: int,
    present: Tensor | None,
    unknown: str,
) -> _PixelTerms:
    """With m of n seeds matching: hit = e^s / (m e^s + n - m), miss = 1 / (m e^s + n - m).

    Both are divided through by e^s, so that no scale overflows.
    """
    highest, predicted = logits.max(1, keepdim=True)
    matching = _count(_matches(seeds, predicted))
    known = _count(seeds != ignore_index)
    if unknown == 'drop':
        counted = known
    elif present is not None:
        counted = present.sum(1).to(matching)[:, None, None, None]
    else:
        counted = torch.full_like(matching, seeds.shape[1])
    counted = counted.clamp(min=1)
    shrink = math.exp(-scale)
    # Where no seed matches all weights are equal, and nothing reads `hit`: it only has to be finite
    # where a large scale makes the other term 0.
    hit = 1 / (matching.clamp(min=1) + (counted - matching) * shrink)
    miss = torch.where(matching > 0, hit * shrink, 1 / counted)
    return _PixelTerms(highest, predicted, hit, miss, matching, known)


def _slices(
    seeds: Tensor, label_weight: Tensor | None, ignore_index: int, num_classes: int
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Walks the seeds in slices of k: the labels as indices (N, k, H, W) int64, with unknown ones
    at class 0; where they are unknown; and the weights of the labels, if there are any.
    """
    num_seeds = seeds.shape[1]
    step = num_seeds if seeds.numel() <= _AT_ONCE else max(1, num_classes // 16)
    for first in range(0, num_seeds, step):
        some = seeds[:, first : first + step]
        unknown = some == ignore_index
        index = some.masked_fill(unknown, 0).long()
        weight = None
        if label_weight is not None:
            seed = torch.arange(first, first + some.shape[1], device=seeds.device)
            weight = label_weight[seed[:, None, None], index]
        yield index, unknown, weight


def _label_weight(
    num_seeds: int, num_classes: int, class_weight: Tensor | None, seed_weight: Tensor | None
) -> Tensor | None:
    """(K, C) floats by which the label of a seed counts, or None where all count alike."""
    if class_weight is None and seed_weight is None:
        return None
    given = class_weight if seed_weight is None else seed_weight
    table = torch.ones(num_seeds, num_classes, device=given.device)
    if class_weight is not None:
        table = table * class_weight
    if seed_weight is not None:
        table = table * seed_weight[:, None]
    return table


def _label_weight_sums(
    seeds: Tensor, label_weight: Tensor, predicted: Tensor, ignore_index: int
) -> tuple[Tensor, Tensor]:
    """The sums of the label weights over the known and over the matching seeds, (N, 1, H, W)."""
    known = torch.zeros_like(predicted, dtype=torch.float32)
    matching = torch.zeros_like(known)
    for index, unknown, weight in _slices(seeds, label_weight, ignore_index, label_weight.shape[1]):
        weight = weight.masked_fill(unknown, 0.0)
        known += _sum_over_seeds(weight)
        matching += _sum_over_seeds(weight * (index == predicted))
    return known, matching


def _count(mask: Tensor) -> Tensor:
    """(N, K, H, W) bool -> how many of the K, (N, 1, H, W) float32."""
    # A sum in bytes is 50 times as fast on a CPU as the sum of bools, which goes through int64.
    dtype = torch.uint8 if mask.shape[1] < 256 else torch.int64
    return mask.to(dtype).sum(1, keepdim=True, dtype=dtype).float()


def _sum_over_seeds(values: Tensor) -> Tensor:
    return values if values.shape[1] == 1 else values.sum(1, keepdim=True)


def _matches(seeds: Tensor, predicted: Tensor) -> Tensor:
    """Eq. 7. An unknown label matches no prediction, since no class has its number."""
    return seeds == predicted.to(seeds.dtype)


def _inverse_counts(seeds: Tensor, ignore_index: int) -> Tensor:
    """(K,) 1 / the number of pixels that each seed knows, over all processes' batches."""
    counts = (seeds != ignore_index).sum((0, 2, 3)).float()
    all_reduce(counts, 'mean')
    return 1 / counts.clamp(min=1e-6)


def _grid(maps: Tensor) -> tuple[int, int, int]:
    return maps.shape[0], maps.shape[2], maps.shape[3]


def _check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f'{name} must be one of {", ".join(choices)}; got {value!r}.')


def _check_seeds(seg_logits: Tensor, seeds: Tensor, ignore_index: int) -> Tensor:
    """Refuses what does not fit, and returns the seeds in the smallest dtype that holds them."""
    if seg_logits.dim() != 4 or seeds.dim() != 4 or _grid(seeds) != _grid(seg_logits):
        raise ValueError(
            f'seeds must be (N, K, H, W) matching logits {tuple(seg_logits.shape)}; got '
            f'{tuple(seeds.shape)}. Does the pipeline end with PackMultiSeedInputs?'
        )
    if seeds.is_floating_point() or seeds.dtype == torch.bool:
        raise ValueError(f'seeds are integer label maps; got {seeds.dtype}.')
    num_classes = seg_logits.shape[1]
    # On a GPU the check would wait for the device; there the dataset's own check has to do.
    if seeds.device.type == 'cpu' and seeds.numel():
        wrong = (seeds >= num_classes) & (seeds != ignore_index)
        if seeds.dtype != torch.uint8:
            wrong |= (seeds < 0) & (seeds != ignore_index)
        if wrong.any():
            found = sorted(seeds[wrong].unique().tolist())[:5]
            raise ValueError(
                f'seed labels must be in [0, {num_classes}) or {ignore_index} (unknown); found '
                f'{found}. Do the classes of the seeds and num_classes agree?'
            )
    if num_classes <= 255 and 0 <= ignore_index <= 255:
        seeds = seeds.to(torch.uint8)
    return seeds
