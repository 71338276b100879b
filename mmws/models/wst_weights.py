"""How far the WST loss believes each seed, Eq. 6 and 7 of the paper."""

from __future__ import annotations

from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmws.files.label_map import UNKNOWN


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
    if seeds.device.type == 'cpu' and not 0 <= labels.min() <= labels.max() < num_classes:
        wrong = labels[(labels < 0) | (labels >= num_classes)].unique().tolist()
        raise ValueError(
            f'seed labels must be in [0, {num_classes}) or {ignore_index} (unknown); found '
            f'{wrong[:5]}. Do the classes of the seeds and num_classes agree?'
        )
    return labels, known
