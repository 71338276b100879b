"""What all rules have in common: what they are given, what they give, where their state is."""

from __future__ import annotations

import torch
from mmengine.dist import all_reduce
from mmengine.logging import MessageHub
from mmengine.registry import Registry
from torch import Tensor, nn

from ..wst_weights import SeedView

RULES = Registry('rule', scope='mmws', locations=['mmws.models.rules'])


class Rule(nn.Module):
    """Say how far each seed is believed at each pixel, or which soft label is learned.

    A new rule is a subclass with the name under which ``WSTLoss(rule=...)`` finds it::

        @RULES.register_module(name='mine')
        class Mine(Rule):
            def forward(self, view):
                return view._replace(weights=...)  # or self.soft(view, target)

    Attributes:
        name: Of the rule in the model; a :class:`MultiSeedSegmentor` sets it.
        uses_shares: Whether it reads the classes' shares among the labels.
    """

    name = ''
    uses_shares = False

    def forward(self, view: SeedView) -> SeedView:
        """Return the view with other ``weights``, or with a ``target``; both without gradient."""
        raise NotImplementedError

    @torch.no_grad()
    def weigh(self, view: SeedView, *, learn: bool = False) -> SeedView:
        """Weigh a batch, and learn from it in a training."""
        return self(view)

    @staticmethod
    def soft(view: SeedView, target: Tensor) -> SeedView:
        """Return the view with a soft label (N, C, H, W); a seed's weight is what it says of it."""
        target = target * view.known.any(1, keepdim=True)
        said = target.gather(1, view.seeds.long()) * (view.known & view.counts)
        weights = said / said.sum(1, keepdim=True).clamp(min=torch.finfo(said.dtype).tiny)
        return view._replace(target=target, weights=weights)


class LearningRule(Rule):
    """A rule that learns from batch to batch how good each seed is.

    It counts in :meth:`count`; the means of the counts, over processes and batches, are in
    ``state``. They are saved in checkpoints (in mmengine's message hub, under the name of the loss
    in the model) and are no part of the segmentor's ``state_dict``, which stays that of the stock
    model. Seed k has to be the same source in every image.

    Args:
        momentum: Of the running means: they remember about 1 / momentum batches.

    Attributes:
        state: (...) float32 each, by name; empty before the first batch.
    """

    def __init__(self, momentum: float = 0.02):
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f'momentum must be in (0, 1]; got {momentum}.')
        self.momentum = momentum
        self.state: dict[str, Tensor] | None = None

    def count(self, part: SeedView) -> dict[str, Tensor]:
        """Count a batch that was weighed.

        Args:
            part: Some thousand pixels of each image in a row, (N, ..., P), evenly spread: enough
                for tables of classes by classes, and next to nothing in time.

        Returns:
            Sums over pixels, the same tensors for every batch.
        """
        raise NotImplementedError

    @torch.no_grad()
    def weigh(self, view: SeedView, *, learn: bool = False) -> SeedView:
        if self.state is None:
            self._resume(view.logits.device)
        view = self(view)
        if learn:
            self._learn(view)
        return view

    @torch.compiler.disable
    def _learn(self, view: SeedView) -> None:
        new = self.count(flatten(view, pixels=4096))
        batches = self.state.get('batches', 0) + torch.ones((), device=view.logits.device)
        # The mean of all batches at first, so that the first one does not count for long.
        rate = (1 / batches).clamp(min=self.momentum)
        for name, value in new.items():
            value = value.float()
            all_reduce(value)
            self.state[name] = self.state.get(name, torch.zeros_like(value)).lerp(value, rate)
        self.state['batches'] = batches
        if hub := _hub_of_a_run():
            hub.update_info(self._key, self.state)

    @torch.compiler.disable
    def _resume(self, device: torch.device) -> None:
        hub = _hub_of_a_run()
        saved = hub.runtime_info.get(self._key, {}) if hub else {}
        self.state = {name: value.to(device) for name, value in saved.items()}

    @property
    def _key(self) -> str:
        return f'mmws/{self.name or type(self).__name__}'


def _hub_of_a_run() -> MessageHub | None:
    """Return the message hub of the runner; None outside a run, where nothing is saved."""
    hub = MessageHub.get_current_instance()
    return None if hub.instance_name == 'mmengine' else hub


def flatten(view: SeedView, pixels: int | None = None) -> SeedView:
    """View the pixels of each image in a row, (N, X, P), or about ``pixels`` of them."""
    step = 1 if pixels is None else max(1, view.known[0, 0].numel() // pixels)
    maps = {name: getattr(view, name) for name in view._fields if name != 'shares'}
    flat = {n: x.flatten(2)[..., ::step] for n, x in maps.items() if x is not None}
    return view._replace(**flat)
