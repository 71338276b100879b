"""What is inside the wrappers that a runner puts around models and datasets."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.model import is_model_wrapper
from torch import nn


def bare(model: nn.Module) -> nn.Module:
    """The model inside DistributedDataParallel and its like."""
    return model.module if is_model_wrapper(model) else model


def seed_datasets(dataset) -> Iterator:
    """The MultiSeedDatasets inside ConcatDataset, RepeatDataset and their like, in order."""
    if hasattr(dataset, 'seed_names'):
        yield dataset
        return
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in inner:
        if part is not None:
            yield from seed_datasets(part)
