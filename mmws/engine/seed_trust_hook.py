"""Tells during and after a training which of its seeds the model came to trust."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from mmws.checkpoint import unwrap_model
from mmws.datasets.multi_seed_dataset import seed_datasets
from mmws.evaluation.seed_trust import SeedTrust, trust_sums, trust_table
from mmws.evaluation.tables import write_json
from mmws.models.seed_losses import find_wst_losses
from mmws.models.wst_loss import WSTLoss

# The training is cut into so many parts of equal length: trust changes, and the end counts.
PARTS = 4
FILE_NAME = 'seed_trust.json'


@HOOKS.register_module()
class SeedTrustHook(Hook):
    """Measure the weight that WST gives each seed, and how often the model agrees with it.

    Every ``sample_interval``-th step is looked at, after the model's own forward pass and without
    changing it, in the losses of the decode head that take seeds. Every ``log_interval`` steps the
    means go to the visualizer's backends as ``seed_trust/<seed>/weight`` and ``.../agreement``; at
    the end of the training a table goes to the log and everything, per class too, to
    ``seed_trust.json`` in the work dir. Processes add up what they see.

    The weight is that of Eq. 6 times the number of the image's seeds: 1 is what a plain average
    gives, a seed that stays well below it is outvoted by the others and the model. A model with
    ``scale=0`` gives 1 to all; its agreements still differ.

    Seeds are told apart by the names of their folders. Where several datasets are mixed, folders of
    the same name are one source.

    Args:
        sample_interval: Look at every so many steps.
        log_interval: Log every so many steps; a multiple of ``sample_interval``.
        per_class: Log the weight and the agreement of each class of each seed, too.

    Raises:
        ValueError: Intervals that do not fit, or a model without such losses.

    Example:
        >>> custom_hooks = [dict(type='mmws.SeedTrustHook')]
    """

    def __init__(
        self,
        *,
        sample_interval: int = 10,
        log_interval: int = 100,
        per_class: bool = False,
    ):
        if sample_interval < 1 or log_interval < 1 or log_interval % sample_interval:
            raise ValueError(
                'sample_interval and log_interval are numbers of steps, and log_interval is a '
                f'multiple of sample_interval; got {sample_interval} and {log_interval}.'
            )
        self.sample_interval = sample_interval
        self.log_interval = log_interval
        self.per_class = per_class
        self.history: list[dict] = []
        self._handles: list = []

    def before_train(self, runner) -> None:
        dataset, model = runner.train_dataloader.dataset, unwrap_model(runner.model)
        names = [name for leaf in seed_datasets(dataset) for name in leaf.seed_names]
        if not names or not find_wst_losses(model):
            raise ValueError(
                'SeedTrustHook needs a training dataset with seeds, a mmws.MultiSeedDataset, and '
                f'a loss that takes them in its decode_head; found {type(dataset).__name__} and '
                f'{type(model).__name__}.'
            )
        self.names = list(dict.fromkeys(names))
        self.classes = list(dataset.metainfo.get('classes') or ())
        shape = (len(self.names), len(self.classes), 3)
        device = next(model.parameters()).device
        self._window = torch.zeros(shape, dtype=torch.float64, device=device)
        self._parts = torch.zeros(PARTS, *shape, dtype=torch.float64)
        # Checkpoints hold what is in the message hub, so that a resumed training goes on with it.
        saved = runner.message_hub.runtime_info.get('seed_trust', {})
        if saved.get('names') == self.names and saved['parts'].shape == self._parts.shape:
            self._parts, self.history = saved['parts'].cpu(), saved['history']
        state = dict(names=self.names, parts=self._parts, history=self.history)
        runner.message_hub.update_info('seed_trust', state)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if (runner.iter + 1) % self.sample_interval or not self.classes:
            return
        owners = [
            torch.tensor([self.names.index(name) for name in sample.metainfo['seed_names']])
            for sample in data_batch['data_samples']
        ]
        self._owners = torch.nn.utils.rnn.pad_sequence(owners, True, padding_value=-1)
        self._handles = [
            loss.register_forward_pre_hook(self._look, with_kwargs=True)
            for loss in find_wst_losses(unwrap_model(runner.model))
        ]

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        while self._handles:
            self._handles.pop().remove()
        if self.every_n_train_iters(runner, self.log_interval):
            self._log(runner)

    def after_train(self, runner) -> None:
        self._log(runner)
        if not is_main_process():
            return
        trust = [SeedTrust.of(part) for part in self._parts]
        seen = [part for part in trust if part.pixels.any()]
        if not seen:
            print_log(
                'SeedTrustHook has seen no seeds: it looks at every '
                f'{self.sample_interval}th step, the training had {runner.max_iters}, and the '
                f'data have {len(self.classes)} named classes.',
                logger='current',
                level=logging.WARNING,
            )
            return
        parts = [{name: v.tolist() for name, v in part._asdict().items()} for part in trust]
        content = dict(seeds=self.names, classes=self.classes, parts=parts, history=self.history)
        write_json(Path(runner.work_dir, FILE_NAME), content)
        print_log(
            'Which seeds the model trusts in the end, and did at the start of the training (weight '
            f'1 is average; more in {FILE_NAME}):\n'
            + trust_table(self.names, seen[0], seen[-1], self.classes),
            logger='current',
        )

    def _look(self, loss: WSTLoss, args: tuple, kwargs: dict) -> None:
        """Stand before a loss and read what it is given."""
        view = loss.view(*args[:2], kwargs.get('ignore_index'), kwargs.get('present'))
        if view.seeds.shape[:2] == self._owners.shape:  # else a label on a grid of its own
            owners = self._owners.to(view.seeds.device)
            self._window += trust_sums(view, owners, self._window.shape[:2])

    def _log(self, runner) -> None:
        """Add what all processes saw since the last time to the present part, and log it."""
        window = self._window.clone()
        self._window.zero_()
        all_reduce(window)
        window = window.cpu()
        done = min(runner.iter / max(runner.max_iters, 1), 1 - 1e-9)
        self._parts[int(PARTS * done)] += window
        if not window.any():
            return
        trust = SeedTrust.of(window)
        step = min(runner.iter + 1, runner.max_iters)
        entry = dict(iter=step, weight=trust.weight.tolist(), agreement=trust.agreement.tolist())
        self.history.append(entry)
        scalars = {}
        for s, name in enumerate(self.names):
            for kind in ('weight', 'agreement'):
                scalars[f'seed_trust/{name}/{kind}'] = entry[kind][s]
                if self.per_class:
                    values = getattr(trust, f'class_{kind}')[s].tolist()
                    for label, value in zip(self.classes, values, strict=True):
                        scalars[f'seed_trust/{name}/{kind}/{label}'] = value
        scalars = {name: value for name, value in scalars.items() if not math.isnan(value)}
        runner.visualizer.add_scalars(scalars, step=step)
