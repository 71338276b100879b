"""What is inside the wrappers that a runner puts around models."""

from __future__ import annotations

from mmengine.model import is_model_wrapper
from torch import nn


def bare(model: nn.Module) -> nn.Module:
    """The model inside DistributedDataParallel and its like."""
    return model.module if is_model_wrapper(model) else model
