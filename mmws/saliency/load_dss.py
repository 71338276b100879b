"""Build a DSS and load its checkpoint, or refuse one that does not fit."""

from __future__ import annotations

import copy
import os

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from mmws.checkpoint import load_weights, read_checkpoint

from .dss import DSS


def load_dss(
    config: Config, checkpoint: str | os.PathLike, device: str | torch.device = 'cpu'
) -> DSS:
    """Build the model of a config and load all weights of a checkpoint.

    Args:
        config: Of ``configs/saliency``. Pretrained weights that it names are not needed.
        checkpoint: File that training wrote.
        device: Where the model shall be.

    Returns:
        The model in evaluation mode.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The config's model gives no saliency maps, or the checkpoint is of another one
            or holds weights that are not finite.
    """
    content = read_checkpoint(checkpoint)
    kind = (config.get('model') or {}).get('type')
    with DefaultScope.overwrite_default_scope('mmseg'):
        found = MODELS.get(kind) if isinstance(kind, str) else kind
        if not isinstance(found, type) or not issubclass(found, DSS):
            raise ValueError(
                f'the model of {config.filename} is {kind or "not there"}, which gives no saliency '
                'maps. Take a config of configs/saliency.'
            )
        model = MODELS.build(copy.deepcopy(config.model))
    load_weights(model, content, checkpoint)
    return model.to(device).eval()
