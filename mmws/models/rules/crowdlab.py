"""CROWDLAB: one quality a seed, and one for the network."""

from __future__ import annotations

import torch
from torch import Tensor

from mmws.seeds.dawid_skene import agreement

from ..wst_weights import SeedView
from .rule import RULES, LearningRule
from .vote import majority


@RULES.register_module(name='crowdlab')
class CrowdLab(LearningRule):
    """Believe each seed, and the network, as far as it beats "always the commonest class".

    With the error e_k of seed k against the other seeds, e_0 of the commonest label, and the
    network's e_p against the seeds, the soft label is the weighted mean of the network's
    probabilities and the seeds', ::

        w_k = max(1 - e_k / e_0, eps),  w_p = max(1 - e_p / e_0, eps) sqrt(K)

    A seed gives its label the mean agreement of a seed with the vote, and the rest to the other
    classes alike. Source: Goh et al., CROWDLAB (arXiv 2210.06812).

    Args:
        momentum: Of the running errors: they remember about 1 / momentum batches.
        eps: The least weight.
    """

    def __init__(self, momentum: float = 0.02, eps: float = 1e-3):
        super().__init__(momentum)
        if not 0 < eps <= 1:
            raise ValueError(f'eps must be in (0, 1]; got {eps}.')
        self.eps = eps

    def forward(self, view: SeedView) -> SeedView:
        num_seeds, num_classes = view.seeds.shape[1], view.logits.shape[1]
        weights, of_network, certainty = self.qualities(num_seeds, view.logits)
        shape = (1, num_seeds, *(1,) * (view.seeds.dim() - 2))
        weights = weights.view(shape) * (view.known & view.counts)
        total = weights.sum(1, keepdim=True)
        elsewhere = (1 - certainty) / max(num_classes - 1, 1)
        target = total * elsewhere + torch.zeros_like(view.logits).scatter_add_(
            1, view.seeds.long(), weights * (certainty - elsewhere)
        )
        if of_network > 0:
            target = target + of_network * view.logits.softmax(1)
        return self.soft(view, target / (total + of_network).clamp(min=self.eps * 1e-3))

    def qualities(self, num_seeds: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return w_k (K,), w_p and the mean agreement of a seed with the vote."""
        if not self.state:
            return like.new_ones(num_seeds), like.new_zeros(()), like.new_ones(())
        error = 1 - self.state['agreed'] / self.state['compared'].clamp(min=1e-9)
        of_seeds, of_network, of_commonest, of_vote = error[:-3], *error[-3:]
        quality = 1 - torch.stack([*of_seeds, of_network]) / of_commonest.clamp(min=1e-9)
        quality = quality.clamp(min=self.eps)
        return quality[:-1], quality[-1] * num_seeds**0.5, 1 - of_vote

    def count(self, part: SeedView) -> dict[str, Tensor]:
        seeds, known = part.seeds, part.known
        same, both = agreement(seeds, known)
        # Which label is the commonest is known from the batches before.
        labels = part.label_counts().sum(0)
        commonest = self.state.get('labels', labels).argmax()
        rivals = (part.logits.argmax(1, keepdim=True), commonest, majority(part))
        agreed = [((seeds == rival) & known).sum() for rival in rivals]
        others = 1 - torch.eye(len(same), device=same.device)
        return dict(
            labels=labels,
            agreed=torch.cat([(same * others).sum(1), torch.stack(agreed).float()]),
            compared=torch.cat([(both * others).sum(1), known.sum().float().expand(3)]),
        )
