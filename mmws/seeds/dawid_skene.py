"""Who is right when label maps differ: Dawid and Skene's model of several annotators.

Each seed k has a confusion matrix P_k[c, l], how often it says l where c is true. What is true at a
pixel follows from what all seeds say there (:func:`posterior`), and the matrices follow from that
(:meth:`Confusions.count`): expectation maximisation. Source: Dawid & Skene, Maximum likelihood
estimation of observer error-rates using the EM algorithm, 1979.

Images show few of the classes. A seed cannot say "cow" in an image of which nobody thinks that it
shows one, so every rate is counted where it could have happened: over the images in which some seed
names the class, l for P_k[c, l] and c for the class's share. Within an image the rates are
normalised over its named classes. Without this, rare classes look as if nobody ever took another
one for them, and a single vote for one outweighs all others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# What stands in for counts before there are any, as a share of what is counted later.
_PRIOR = 1e-3


class Confusions(NamedTuple):
    """Counts of pixels, of which confusion matrices and class shares are made.

    Attributes:
        counts: (K, L, C) floats, pixels where seed k says l, by the probability that c is true.
        exposure: (K, L, C) floats, pixels that seed k knows in images where l is named, likewise.
        mass: (C,) floats, pixels where c is true.
        exposed: (C,) floats, all pixels of images where c is named.
    """

    counts: Tensor
    exposure: Tensor
    mass: Tensor
    exposed: Tensor

    @classmethod
    def empty(cls, num_seeds: int, num_classes: int, like: Tensor | None = None) -> Confusions:
        """Return the counts of nothing, on the device of ``like``."""
        device = None if like is None else like.device
        table = torch.zeros(num_seeds, num_classes, num_classes, device=device)
        return cls(table, table.clone(), table[0, 0].clone(), table[0, 0].clone())

    @classmethod
    def count(cls, truth: Tensor, seeds: Tensor, known: Tensor) -> Confusions:
        """Count images whose truth is known with probabilities.

        Args:
            truth: (N, C, P) floats, the probabilities of the classes; 0 where nothing is known.
            seeds: (N, K, P) integers in [0, C).
            known: (N, K, P) bool, where a seed knows.
        """
        (images, num_seeds, _), num_classes = seeds.shape, truth.shape[1]
        rows = rows_of(seeds, known, num_classes)
        table = truth.new_zeros(images * num_seeds * num_classes + 1, num_classes)
        by_pixel = truth.transpose(1, 2).reshape(-1, num_classes)
        for k in range(num_seeds):
            table.index_add_(0, rows[..., k].flatten(), by_pixel)
        counts = table[:-1].view(images, num_seeds, num_classes, num_classes)
        named = (counts.sum((1, 3)) > 0).float()
        return cls(
            counts.sum(0),
            torch.einsum('nl,nkc->klc', named, counts.sum(2)),
            truth.sum((0, 2)),
            named.T @ truth.sum((1, 2)),
        )

    def log_rates(self, named: Tensor, *, accuracy: float = 0.8) -> Tensor:
        """Return log P_k[c, l] in each image, as (N, K, L, C).

        ``named`` (N, C) bool are the classes that a seed of the image names; ``accuracy`` is
        P_k[c, c] of a seed of which little is counted.
        """
        num_classes = len(self.mass)
        guess = torch.full_like(self.counts[0], (1 - accuracy) / max(num_classes - 1, 1))
        guess.fill_diagonal_(accuracy)
        few = _few(self.mass)
        rates = (self.counts + few * guess) / (self.exposure + few)
        rates = rates * named[:, None, :, None]
        return (rates / rates.sum(2, keepdim=True)).log()

    def log_shares(self, named: Tensor) -> Tensor:
        """Return the log shares of the classes in each image, (N, C); -inf for those not named."""
        few = _few(self.mass)
        shares = (self.mass + few / len(self.mass)) / (self.exposed + few)
        return (shares * named).log().log_softmax(1)


def posterior(
    log_rates: Tensor,
    seeds: Tensor,
    known: Tensor,
    log_shares: Tensor,
    *,
    prediction: Tensor | None = None,
    share: float | Tensor = 0.0,
) -> Tensor:
    """Compute how probable each class is: q(c) ~ pi(c)^(1 - a) p(c)^a prod_k P_k[c, y_k].

    Args:
        log_rates: (N, K, L, C) floats, log P_k[c, l].
        seeds: (N, K, P) integers in [0, C), y_k.
        known: (N, K, P) bool, where a seed knows; elsewhere it has no factor.
        log_shares: (N, C) floats, log pi(c); -inf for the classes that are out of the question.
        prediction: (N, C, P) floats, log p(c) but for a constant.
        share: a.

    Returns:
        (N, C, P) float32.
    """
    images, _, num_classes, _ = log_rates.shape
    table = log_rates.nan_to_num(0, neginf=-1e4).reshape(-1, num_classes)
    table = torch.cat([table, table.new_zeros(1, num_classes)])
    rows = rows_of(seeds, known, num_classes).flatten(0, 1)
    # For every pixel the sum of K rows, those of what the seeds say there.
    evidence = F.embedding_bag(rows, table, mode='sum').view(images, -1, num_classes)
    energy = evidence.transpose(1, 2)
    if prediction is not None:
        energy = energy + share * prediction.log_softmax(1)
    prior = log_shares.unsqueeze(2)
    energy = energy + (1 - share) * prior.masked_fill(prior == -torch.inf, 0)
    return energy.masked_fill(prior == -torch.inf, -torch.inf).softmax(1)


def fuse(
    seeds: Tensor, known: Tensor, num_classes: int, *, iterations: int = 15
) -> tuple[Tensor, Confusions]:
    """Estimate the truth and the confusion matrices of K seeds together, from their vote on.

    Args:
        seeds: (N, K, P) integers in [0, C).
        known: (N, K, P) bool, where a seed knows.
        num_classes: C.
        iterations: Of expectation maximisation.

    Returns:
        The probabilities (N, C, P) of the classes, 0 where no seed knows, and the counts.
    """
    named = torch.zeros(len(seeds), num_classes)
    named = named.scatter_add_(1, seeds.flatten(1).long(), known.flatten(1).float()) > 0
    counted = Confusions.empty(seeds.shape[1], num_classes)
    for _ in range(iterations):
        rates, shares = counted.log_rates(named), counted.log_shares(named)
        truth = posterior(rates, seeds, known, shares) * known.any(1, keepdim=True)
        counted = Confusions.count(truth, seeds, known)
    return truth, counted


def disputed(seeds: Tensor, known: Tensor) -> Tensor:
    """Return (N, 1, P) bool, where two seeds give different labels; the arguments as above."""
    first = seeds.gather(1, known.byte().argmax(1, keepdim=True))
    return (known & (seeds != first)).any(1, keepdim=True)


def agreement(seeds: Tensor, known: Tensor) -> Tensor:
    """Count for each two seeds the pixels at which they agree, and those that both know.

    Of (N, K, P) integers and bool, the pixels that count, it is (2, K, K) float32.
    """
    seeds, known = (x.transpose(0, 1).flatten(1) for x in (seeds, known))
    same = [((seeds == s) & known & k).sum(1) for s, k in zip(seeds, known, strict=True)]
    return torch.stack([torch.stack(same).float(), known.float() @ known.float().T])


def rows_of(seeds: Tensor, known: Tensor, num_classes: int) -> Tensor:
    """Return (N, P, K) int32: n K L + k L + y_k, or N K L where seed k does not know."""
    images, num_seeds, _ = seeds.shape
    of_seed = torch.arange(images * num_seeds, device=seeds.device, dtype=torch.int32)
    rows = seeds.int() + (num_classes * of_seed).view(images, num_seeds, 1)
    nothing = images * num_seeds * num_classes
    return rows.masked_fill(~known, nothing).transpose(1, 2).contiguous()


def _few(mass: Tensor) -> Tensor:
    return _PRIOR * mass.sum() + torch.finfo(mass.dtype).tiny
