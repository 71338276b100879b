"""The seeds of a batch as a loss sees them, and how far WST believes each, Eq. 6 and 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from torch import Tensor

from mmws.files.label_map import UNKNOWN


class SeedView(NamedTuple):
    """The seeds of a batch, and what a loss makes of them; without gradient.

    Attributes:
        logits: (N, C, H, W) float32, or (N, C, P) at points; the others likewise.
        seeds: (N, K, H, W) integers in [0, C); 0 where a seed does not know.
        known: (N, K, H, W) bool, where a seed knows.
        counts: (N, K, H, W) bool, the seeds that share the weight of a pixel.
        weights: (N, K, H, W) float32 in [0, 1], how far each seed is believed; 0 where it does not
            count.
        target: (N, C, H, W) float32, the soft label that is learned in place of the weighted seeds;
            0 where no seed knows the pixel. None: the seeds are learned.
        shares: (C,) shares of the classes among the labels, where a single batch cannot tell them.
    """

    logits: Tensor
    seeds: Tensor
    known: Tensor
    counts: Tensor
    weights: Tensor
    target: Tensor | None = None
    shares: Tensor | None = None

    @property
    def counted(self) -> Tensor:
        """(N, 1, H, W), how many seeds share a pixel: the weight times it is 1 on average."""
        return self.counts.sum(1, keepdim=True)

    def only(self, seeds: Sequence[bool]) -> SeedView:
        """Return the view of some of the seeds."""
        maps = ('seeds', 'known', 'counts', 'weights')
        return self._replace(**{name: getattr(self, name)[:, list(seeds)] for name in maps})

    def label_counts(self) -> Tensor:
        """(N, C) float32, how often the seeds of each image name each class."""
        counts = self.logits.new_zeros(self.logits.shape[:2])
        return counts.scatter_add_(1, self.seeds.flatten(1).long(), self.known.flatten(1).float())

    def class_shares(self) -> Tensor:
        """(C,) float32; counted in the batch of all processes, which must all come here."""
        if self.shares is not None:
            return self.shares.to(self.logits)
        counts = self.label_counts().sum(0)
        all_reduce(counts)
        return counts / counts.sum()


@torch.no_grad()
def view_seeds(
    seg_logits: Tensor,
    seeds: Tensor,
    ignore_index: int = UNKNOWN,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
    shares: Tensor | None = None,
) -> SeedView:
    """Look at the seeds of a batch, all with the same weight.

    Args:
        seg_logits: (N, C, H, W) floats, the online prediction before the softmax.
        seeds: (N, K, H, W) integers in [0, C), or ``ignore_index`` where a seed does not know.
        ignore_index: The label of unknown pixels.
        present: (N, K) bool, False for a seed that an image lacks: weight 0, and not among the N_k.
        unknown: See :class:`WSTLoss`.
        shares: (C,) shares of the classes among the labels. None: the batch's, where they matter.
    """
    seeds, known = _check_seeds(seg_logits, seeds, ignore_index)
    counts = known if unknown == 'drop' else torch.ones_like(known)
    if present is not None:
        counts = counts & over_pixels(present, known)
    weights = counts / counts.sum(1, keepdim=True).clamp(min=1)
    return SeedView(seg_logits.detach().float(), seeds, known, counts, weights, shares=shares)


@torch.no_grad()
def weigh_by_agreement(view: SeedView, scale: float = 1.0, balance: float = 0.0) -> Tensor:
    """Weigh the seeds by whether they agree with the online prediction, Eq. 6 and 7.

    ``scale`` is the factor s of Eq. 6; for ``balance`` see :class:`WST`. The weights are
    (N, K, H, W) float32 in [0, 1], with the sum 1 over k where a seed counts.
    """
    logits = view.logits
    if balance:
        # The balanced logits; classes that no seed of the image names are out.
        bias = -balance * view.class_shares().clamp(min=1e-3).log()
        bias = torch.where(view.label_counts() > 0, bias, -torch.inf)
        logits = logits + over_pixels(bias, logits)
    predicted = logits.max(1, keepdim=True).indices  # faster than argmax on a CPU
    matches = view.known & (view.seeds == predicted)  # Eq. 7
    energy = (scale * matches.float()).masked_fill_(~view.counts, -torch.inf)
    return energy.softmax(1).masked_fill_(~view.counts, 0)  # Eq. 6; NaN where no seed counts


def wst_weights(
    seg_logits: Tensor,
    seeds: Tensor,
    scale: float = 1.0,
    ignore_index: int = UNKNOWN,
    *,
    present: Tensor | None = None,
    unknown: str = 'keep',
    balance: float = 0.0,
    shares: Tensor | None = None,
) -> Tensor:
    """Return the weights (N, K, H, W) of Eq. 6.

    The arguments are those of :func:`view_seeds` and :func:`weigh_by_agreement`.
    """
    options = dict(present=present, unknown=unknown, shares=shares)
    return weigh_by_agreement(
        view_seeds(seg_logits, seeds, ignore_index, **options), scale, balance
    )


def over_pixels(values: Tensor, like: Tensor) -> Tensor:
    """View (N, X) as (N, X, 1, 1), or (N, X, 1) for points."""
    return values.reshape(*values.shape, *(1,) * (like.dim() - 2))


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
