"""Weighted selective training, Eq. 6 and 7 of the paper."""

from __future__ import annotations

import math

from ..wst_weights import SeedView, weigh_by_agreement
from .rule import RULES, Rule


@RULES.register_module(name='wst')
class WST(Rule):
    """Believe the seeds that agree with the online prediction, Eq. 6 and 7.

    Args:
        scale: The factor s of Eq. 6, >= 0; the paper uses 1. Larger is more selective.
        balance: How far the prediction that selects the seeds is balanced by class, >= 0; the paper
            has 0. In Eq. 7 alone, logits are compared after -balance * log(share of the class among
            the labels of the batch) is added, and only those of classes that some seed of the image
            names. With 1 a frequent class does not win because it is frequent: selection stays safe
            where all seeds err towards background, or where the network starts from nothing.
    """

    def __init__(self, scale: float = 1.0, balance: float = 0.0):
        super().__init__()
        if not (0 <= scale < math.inf and 0 <= balance < math.inf):
            raise ValueError(
                f'scale and balance must be finite and >= 0; got {scale} and {balance}.'
            )
        self.scale = scale
        self.balance = balance
        self.uses_shares = balance > 0

    def forward(self, view: SeedView) -> SeedView:
        return view._replace(weights=weigh_by_agreement(view, self.scale, self.balance))
