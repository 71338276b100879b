"""Expectation maximisation over the seeds' confusion matrices, with the network as prior."""

from __future__ import annotations

from torch import Tensor

from mmws.seeds.dawid_skene import Confusions, posterior

from ..wst_weights import SeedView
from .rule import RULES, LearningRule, flatten


@RULES.register_module(name='em')
class EM(LearningRule):
    """Dawid and Skene's EM: how often each seed takes which class for which, and so what is true.

    The soft label of a pixel is ::

        q(c) ~ pi(c)^(1 - a) p(c)^a prod_k P_k[c, y_k]

    with the network's probability p, the seeds' labels y_k, their confusion matrices P_k, which are
    running counts of q against y_k, and the class's share pi (:class:`Confusions` counts both only
    in images where a seed names the class). Sources: Dawid & Skene 1979; Raykar et al. 2010 for the
    network as prior.

    The network earns its share a: it is how well its prediction agrees with what q would be without
    it, beyond chance (Cohen's kappa).

    Args:
        momentum: Of the running counts: they remember about 1 / momentum batches.
        accuracy: Of each seed before anything is counted; equal for all, so q starts as the vote.
        share: a, between 0 and 1. None: as the network earns it.
    """

    def __init__(
        self,
        momentum: float = 0.02,
        accuracy: float = 0.8,
        share: float | None = None,
    ):
        super().__init__(momentum)
        if not 0 < accuracy < 1:
            raise ValueError(f'accuracy must be in (0, 1); got {accuracy}.')
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f'share must be in [0, 1]; got {share}.')
        self.accuracy = accuracy
        self.share = share

    def forward(self, view: SeedView) -> SeedView:
        q = self._posterior(flatten(view), self.earned())
        return self.soft(view, q.reshape(view.logits.shape))

    def count(self, part: SeedView) -> dict[str, Tensor]:
        alone = self._posterior(part, 0.0) * part.known.any(1, keepdim=True)
        predicted = part.logits.argmax(1, keepdim=True)
        return Confusions.count(part.target, part.seeds, part.known)._asdict() | dict(
            alone=alone.sum((0, 2)),
            predicted=predicted.flatten().bincount(minlength=alone.shape[1]),
            agreed=alone.gather(1, predicted).sum(),
        )

    def _posterior(self, part: SeedView, share: float | Tensor) -> Tensor:
        num_seeds, num_classes = part.seeds.shape[1], part.logits.shape[1]
        counted = Confusions.empty(num_seeds, num_classes, part.logits)
        if self.state:
            counted = Confusions(*(self.state[name] for name in Confusions._fields))
        named = part.label_counts() > 0
        return posterior(
            counted.log_rates(named, accuracy=self.accuracy),
            part.seeds,
            part.known,
            counted.log_shares(named),
            prediction=part.logits,
            share=share,
        )

    def earned(self) -> float | Tensor:
        """Return a: the kappa of the network's prediction and q without the network, 0 at least."""
        if self.share is not None or not self.state:
            return self.share or 0.0
        alone, predicted = self.state['alone'], self.state['predicted']
        total = alone.sum().clamp(min=1)
        chance = (alone / total * predicted / predicted.sum()).sum()
        return ((self.state['agreed'] / total - chance) / (1 - chance)).clamp(0, 1)
