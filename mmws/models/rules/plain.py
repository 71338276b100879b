"""The plain average of the seeds, Eq. 4 of the paper."""

from __future__ import annotations

from ..wst_weights import SeedView
from .rule import RULES, Rule


@RULES.register_module(name='plain')
class Plain(Rule):
    """Believe all seeds alike, Eq. 4."""

    def forward(self, view: SeedView) -> SeedView:
        return view
