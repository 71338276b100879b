"""Tells during and after a training which of its seeds the model came to trust."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS
from torch import Tensor, nn

from mmws.checkpoint import unwrap_model
from mmws.datasets.multi_seed_dataset import seed_datasets
from mmws.evaluation.seed_trust import SeedTrust, trust_sums, trust_table
from mmws.files.atomic_write import write_atomically
from mmws.models.hand_over import UNKNOWN_LABEL, handed_seeds
from mmws.models.seed_losses import find_seed_losses, wst_settings
from mmws.models.wst_loss import wst_weights

# The training is cut into so many parts of equal length: trust changes, and the end counts.
PARTS = 4
FILE_NAME = 'seed_trust.json'
_KEY = 'seed_trust'


@HOOKS.register_module()
class SeedTrustHook(Hook):
    """Measures the weight that WST gives each seed, and how often the model agrees with it.

    Every ``sample_interval``-th step is looked at, after the model's own forward pass and without
    changing it. Every ``log_interval`` steps the means go to the visualizer's backends as
    ``seed_trust/<seed>/weight`` and ``.../agreement``; at the end of the training a table goes to
    the log and everything, per class too, to ``seed_trust.json`` in the work dir. Processes add up
    what they see.

    The weight is that of Eq. 6 times the number of the image's seeds: 1 is what a plain average
    gives, a seed that stays well below it is outvoted by the others and the model. A model with
    ``scale=0`` gives 1 to all; its agreements still differ.

    Seeds are told apart by the names of their folders. Where several datasets are mixed, folders of
    the same name are one source.

    Args:
        sample_interval: Look at every so many steps.
        log_interval: Log every so many steps; a multiple of ``sample_interval``.
        head: Whose losses are looked at, all that take seeds: the name of a module of the model.
        per_class: Log the weight and the agreement of each class of each seed, too.

    Raises:
        ValueError: Intervals that do not fit, or a model without such losses.

    Example:
        >>> custom_hooks = [dict(type='mmws.SeedTrustHook')]
    """

    priority = 'NORMAL'

    def __init__(
        self,
        *,
        sample_interval: int = 10,
        log_interval: int = 100,
        head: str = 'decode_head',
        per_class: bool = False,
    ):
        if sample_interval < 1 or log_interval < 1 or log_interval % sample_interval:
            raise ValueError(
                'sample_interval and log_interval are numbers of steps, and log_interval is a '
                f'multiple of sample_interval; got {sample_interval} and {log_interval}.'
            )
        self.sample_interval = sample_interval
        self.log_interval = log_interval
        self.head = head
        self.per_class = per_class
        self.names: list[str] = []
        self.classes: list[str] = []
        self.history: list[dict] = []
        self._parts = torch.zeros(PARTS, 0, 0, 3, dtype=torch.float64)
        self._window: Tensor | None = None
        self._restored: dict | None = None
        self._sources: dict[tuple[str, int], list[int]] = {}
        self._default: dict[int, list[int]] = {}
        self._owners: list[list[int]] = []
        self._handles: list = []

    def before_train(self, runner) -> None:
        dataset = runner.train_dataloader.dataset
        leaves = list(seed_datasets(dataset))
        if not leaves:
            raise ValueError(
                'SeedTrustHook needs a training dataset with seeds: a mmws.MultiSeedDataset. Found '
                f'{type(dataset).__name__}.'
            )
        if not self._losses(runner.model):
            raise ValueError(
                f'SeedTrustHook finds no loss that takes seeds in {self.head!r} of '
                f'{type(unwrap_model(runner.model)).__name__}. Name the module with head=...'
            )
        self._find_sources(leaves)
        classes = dataset.metainfo.get('classes')
        self.classes = [] if classes is None else list(classes)
        shape = (PARTS, len(self.names), len(self.classes), 3)
        self._parts = torch.zeros(shape, dtype=torch.float64)
        self.history = []
        self._window = None
        self._restore(runner)

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        if (runner.iter + 1) % self.sample_interval:
            return
        self._owners = [self._owners_of(sample) for sample in data_batch['data_samples']]
        self._handles = [
            loss.register_forward_pre_hook(self._look, with_kwargs=True)
            for loss in self._losses(runner.model)
        ]

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
        if not (runner.iter + 1) % self.log_interval:
            self._log(runner)

    def after_train(self, runner) -> None:
        self._log(runner)
        if not is_main_process():
            return
        if not self._parts.any():
            print_log(
                'SeedTrustHook has seen no seeds: it looks at every '
                f'{self.sample_interval}th step, the training had {runner.max_iters}, and the '
                f'data have {len(self.classes)} named classes.',
                logger='current',
                level=logging.WARNING,
            )
            return
        trust = [SeedTrust(part) for part in self._parts]
        seen = [part for part in trust if part.known.any()]
        write_atomically(
            Path(runner.work_dir, FILE_NAME),
            (json.dumps(self._content(trust), indent=1) + '\n').encode(),
        )
        print_log(
            'Which seeds the model trusts in the end, and did at the start of the training (weight '
            f'1 is average; more in {FILE_NAME}):\n'
            + trust_table(self.names, seen[0], seen[-1], self.classes),
            logger='current',
        )

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        # Only the main process comes here: what was not logged yet cannot be summed up.
        checkpoint[_KEY] = dict(
            names=list(self.names), parts=self._parts.clone(), history=list(self.history)
        )

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner._resume:
            self._restored = checkpoint.get(_KEY)

    def _restore(self, runner) -> None:
        saved, self._restored = self._restored, None
        if saved is None or saved['names'] != self.names:
            return
        if saved['parts'].shape == self._parts.shape:
            self._parts = saved['parts'].double().cpu().clone()
            self.history = [dict(entry) for entry in saved['history']]

    def _losses(self, model: nn.Module) -> list[nn.Module]:
        """The outermost losses that take seeds below the head."""
        return find_seed_losses(unwrap_model(model), self.head)

    def _find_sources(self, leaves: Sequence) -> None:
        self.names = list(dict.fromkeys(name for leaf in leaves for name in leaf.seed_names))
        self._sources, self._default = {}, {}
        for leaf in leaves:
            owners = [self.names.index(name) for name in leaf.seed_names]
            self._default.setdefault(len(owners), owners)
            if len(leaves) > 1:
                for i in range(len(leaf)):
                    self._sources[leaf.get_data_info(i)['img_path'], len(owners)] = owners

    def _owners_of(self, sample) -> list[int]:
        count = len(sample.gt_seeds.data)
        key = sample.metainfo.get('img_path'), count
        return self._sources.get(key) or self._default.get(count) or [-1] * count

    @torch.no_grad()
    def _look(self, loss: nn.Module, args: tuple, kwargs: dict) -> None:
        """Stands before a loss and reads what it is given."""
        found = _seen_by(loss, args, kwargs)
        if found is None or not self.classes:
            return
        logits, seeds, present = found
        num_images, num_seeds = seeds.shape[:2]
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], 1)
        settings = wst_settings(loss)
        weights = wst_weights(logits, seeds, present=present, **settings)
        if settings['unknown'] == 'drop':
            counted = (seeds != UNKNOWN_LABEL).sum(1, keepdim=True)
        elif present is not None:
            counted = present.sum(1)[:, None, None, None]
        else:
            counted = num_seeds
        owners = [list(row[:num_seeds]) + [-1] * (num_seeds - len(row)) for row in self._owners]
        shape = (len(self.names), len(self.classes))
        sums = trust_sums(
            logits.argmax(1),
            weights * counted,
            seeds,
            torch.tensor(owners[:num_images], device=seeds.device),
            shape,
        )
        self._window = sums if self._window is None else self._window + sums

    def _flush(self, runner) -> Tensor:
        """Adds what all processes saw since the last time to the present part."""
        # A process that saw nothing takes part in the sum, too.
        shape = (len(self.names), len(self.classes), 3)
        window = self._window
        if window is None:
            window = torch.zeros(shape, dtype=torch.float64, device=_device(runner.model))
        window = window.clone()
        all_reduce(window)
        self._window = None
        window = window.cpu()
        done = min(runner.iter / max(runner.max_iters, 1), 1 - 1e-9)
        self._parts[int(PARTS * done)] += window
        return window

    def _log(self, runner) -> None:
        window = self._flush(runner)
        if not window.any():
            return
        trust = SeedTrust(window)
        step = min(runner.iter + 1, runner.max_iters)
        entry = dict(iter=step, weight=_listed(trust.weight), agreement=_listed(trust.agreement))
        self.history.append(entry)
        scalars = {}
        for s, name in enumerate(self.names):
            scalars[f'seed_trust/{name}/weight'] = entry['weight'][s]
            scalars[f'seed_trust/{name}/agreement'] = entry['agreement'][s]
            if self.per_class:
                for kind, values in (
                    ('weight', trust.class_weight[s]),
                    ('agreement', trust.class_agreement[s]),
                ):
                    for c, value in enumerate(_listed(values)):
                        scalars[f'seed_trust/{name}/{kind}/{self.classes[c]}'] = value
        scalars = {name: value for name, value in scalars.items() if value is not None}
        runner.visualizer.add_scalars(scalars, step=step)

    def _content(self, trust: Sequence[SeedTrust]) -> dict:
        return dict(
            seeds=self.names,
            classes=self.classes,
            parts=[
                dict(
                    pixels=_listed(part.known),
                    weight=_listed(part.weight),
                    agreement=_listed(part.agreement),
                    class_weight=[_listed(row) for row in part.class_weight],
                    class_agreement=[_listed(row) for row in part.class_agreement],
                )
                for part in trust
            ],
            history=self.history,
        )


def _seen_by(
    loss: nn.Module, args: tuple, kwargs: dict
) -> tuple[Tensor, Tensor, Tensor | None] | None:
    """The logits (N, C, H, W) and seeds (N, K, H, W) that a loss is about to use, and which are
    present; None where it uses none."""
    if len(args) < 2:
        return None
    logits, labels = args[:2]
    if labels.dim() == 4:  # seeds that are given directly
        return logits, labels, kwargs.get('present')
    if logits.dim() == 3:  # at points
        logits, labels = logits.unsqueeze(-1), labels.unsqueeze(-1)
    handed = handed_seeds()
    if handed is None or labels.dim() != 3:
        return None
    num_images, _, height, width = handed.seeds.shape
    if labels.shape != (num_images, height, width) or logits.shape[2:] != labels.shape[1:]:
        return None
    ignored = kwargs.get('ignore_index', UNKNOWN_LABEL)
    masked = ((labels == UNKNOWN_LABEL) | (labels == ignored)).unsqueeze(1)
    return logits, handed.seeds.masked_fill(masked, UNKNOWN_LABEL), handed.present


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _listed(values: Tensor) -> list[float | None]:
    return [None if math.isnan(v) else round(v, 6) for v in values.tolist()]
