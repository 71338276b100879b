"""A gate for the network's own predictions, class by class, as in ADELE."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from scipy.optimize import OptimizeWarning, curve_fit
from torch import Tensor

from ..wst_weights import SeedView, over_pixels
from .rule import RULES, LearningRule
from .vote import majority


@RULES.register_module(name='adele')
class Adele(LearningRule):
    """Learn the plain average, and the network's prediction for classes that memorisation nears.

    The IoU of the prediction with the vote, class by class, rises fast while the network learns
    what the seeds have in common, and slowly while it learns their errors by heart. A curve
    a (1 - exp(-t^b / c)) is fitted to it. Where its slope has fallen from its first by more than
    the share ``fall``, the class opens: pixels that the network is sure of get its prediction as
    label. An image whose foreground would fall below half, and background exceed 95%, keeps its
    seeds. Source: Liu et al., Adaptive Early-Learning Correction for Segmentation from Noisy
    Annotations (CVPR 2022, arXiv 2110.03740), which predicts at three scales.

    Args:
        interval: Batches between two points of the curves; an epoch in the source.
        fall: r; .9 in the source.
        sure: tau, the probability above which a prediction counts; .8 in the source.
        background: The class that is not foreground; None where there is none.
        momentum: Of the running IoU: it remembers about 1 / momentum batches.
    """

    def __init__(
        self,
        interval: int = 50,
        fall: float = 0.9,
        sure: float = 0.8,
        background: int | None = 0,
        momentum: float = 0.02,
    ):
        super().__init__(momentum)
        if not (interval >= 1 and 0 < fall < 1 and 0 < sure < 1):
            raise ValueError(
                'interval must be at least 1, fall and sure in (0, 1); got '
                f'{interval}, {fall} and {sure}.'
            )
        self.interval = interval
        self.fall = fall
        self.sure = sure
        self.background = background

    def forward(self, view: SeedView) -> SeedView:
        if not self.state or not self.state['open'].any():
            return view
        sure, predicted = view.logits.softmax(1).max(1, keepdim=True)
        counts = over_pixels(view.label_counts() > 0, view.logits).expand_as(view.logits)
        opened = self.state['open'].bool()[predicted] & (sure > self.sure)
        opened &= counts.gather(1, predicted) & view.known.any(1, keepdim=True)
        if self.background is not None:
            voted = majority(view)
            opened &= ~self._loses_objects(view, voted, torch.where(opened, predicted, voted))
        seeds = torch.zeros_like(view.logits).scatter_add_(
            1, view.seeds.long(), view.weights * view.known
        )
        # What unknown seeds would have said is left out of the mean.
        seeds = seeds / seeds.sum(1, keepdim=True).clamp(min=1e-9)
        own = torch.zeros_like(seeds).scatter_(1, predicted, 1.0)
        return self.soft(view, torch.where(opened, own, seeds))

    def _loses_objects(self, view: SeedView, voted: Tensor, corrected: Tensor) -> Tensor:
        """Return (N, 1, 1, 1) bool, for images that would lose too much of their foreground."""
        known = view.known.any(1, keepdim=True)
        before = ((voted != self.background) & known).flatten(1).float().sum(1)
        after = ((corrected != self.background) & known).flatten(1).float().sum(1)
        total = known.flatten(1).float().sum(1)
        loses = (after < before / 2) & (after < 0.05 * total)
        return over_pixels(loses.unsqueeze(1), view.logits)

    def count(self, part: SeedView) -> dict[str, Tensor]:
        classes = torch.arange(part.logits.shape[1], device=part.logits.device).view(1, -1, 1)
        known = part.known.any(1, keepdim=True)
        predicted = (part.logits.argmax(1, keepdim=True) == classes) & known
        voted = (majority(part) == classes) & known
        return dict(
            intersection=(predicted & voted).sum((0, 2)), union=(predicted | voted).sum((0, 2))
        )

    def _learn(self, view: SeedView) -> None:
        super()._learn(view)
        ious = self.state['intersection'] / self.state['union'].clamp(min=1e-9)
        self.state.setdefault('open', torch.zeros_like(ious))
        curve = self.state.setdefault('curve', ious.new_empty(0, len(ious)))
        if self.state['batches'] % self.interval == 0:
            curve = self.state['curve'] = torch.cat([curve, ious.unsqueeze(0)])
            opened = [slope_has_fallen(points, self.fall) for points in curve.T.tolist()]
            self.state['open'] = ious.new_tensor(opened)


def slope_has_fallen(ious: list[float], fall: float) -> bool:
    """Whether the slope of a curve through the points at t = 1, 2, ... is down by the share."""
    if len(ious) < 3 or not any(ious):
        return False
    times = np.arange(1, len(ious) + 1, dtype=float)

    def rise(t, a, b, c):
        return a * (1 - np.exp(-(t**b) / c))

    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', OptimizeWarning)
            bounds = ([0, 0, 1e-3], [1, 5, 1e3])
            (a, b, c), _ = curve_fit(rise, times, ious, p0=(ious[-1], 0.5, 0.5), bounds=bounds)
    except (RuntimeError, ValueError):  # no fit: the class stays closed
        return False

    def slope(t):
        return a * b * t ** (b - 1) / c * np.exp(-(t**b) / c)

    return bool(slope(1) > 0 and abs(slope(1) - slope(times[-1])) / slope(1) > fall)
