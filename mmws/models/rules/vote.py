"""The majority vote, as a rule of the loss."""

from __future__ import annotations

import torch
from torch import Tensor

from ..wst_weights import SeedView
from .rule import RULES, Rule


@RULES.register_module(name='vote')
class Vote(Rule):
    """Believe the seeds that give a pixel its most frequent label; of ties the smallest label.

    The same labels as :func:`mmws.vote` makes, but of the maps after the training's transforms.
    """

    def forward(self, view: SeedView) -> SeedView:
        elected = view.known & (view.seeds == majority(view))
        return view._replace(weights=elected / elected.sum(1, keepdim=True).clamp(min=1))


def majority(view: SeedView) -> Tensor:
    """Return (N, 1, H, W), the label that most seeds give; class 0 where none knows."""
    votes = torch.zeros_like(view.logits, dtype=torch.uint8)
    for seed, known in zip(view.seeds.unbind(1), view.known.unbind(1), strict=True):
        votes.scatter_add_(1, seed.long().unsqueeze(1), known.byte().unsqueeze(1))
    return votes.max(1, keepdim=True).indices
