"""Build a CAM classifier and load its checkpoint, or refuse one that does not fit."""

from __future__ import annotations

import copy
import os

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS

from mmws.checkpoint import load_weights, read_checkpoint


def build_classifier(config: str | os.PathLike | Config) -> ImageClassifier:
    """Build the classifier of a config, a file or what was read from it, on the CPU, to be trained.

    Raises:
        ValueError: The config has no model whose head gives class maps.
    """
    if not isinstance(config, Config):
        config = Config.fromfile(config)
    name = config.filename or 'the config'
    if 'model' not in config:
        raise ValueError(f'{name} has no `model`: it is not a config of a classifier.')
    model_cfg = copy.deepcopy(config.model)
    # As the Runner does with mmpretrain's configs.
    if config.get('data_preprocessor') is not None:
        model_cfg.setdefault('data_preprocessor', copy.deepcopy(config.data_preprocessor))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(model_cfg)
    head = getattr(model, 'head', None)
    if not hasattr(head, 'class_maps'):
        raise ValueError(
            f'{name}: the model is a {type(model).__name__} with the head {type(head).__name__}, '
            'which gives no class maps. Use VGG16CAMHead or LinearCAMHead.'
        )
    return model


def load_classifier(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    device: str | torch.device = 'cpu',
) -> ImageClassifier:
    """Build the classifier of a config and load all weights of a checkpoint.

    Args:
        config: As in :func:`build_classifier`. Pretrained weights that it names are not needed.
        checkpoint: File that training wrote.
        device: Where the model shall be.

    Returns:
        The model in evaluation mode. ``model.dataset_meta['classes']`` are the class names that
        the checkpoint was trained with, or ``None`` where it does not say.

    Raises:
        FileNotFoundError: The config or the checkpoint is not there.
        ValueError: The checkpoint is of another architecture or holds NaN.
    """
    content = read_checkpoint(checkpoint)
    model = build_classifier(config)
    load_weights(model, content, checkpoint)
    classes = (content.get('meta') or {}).get('dataset_meta', {}).get('classes')
    model.dataset_meta = dict(classes=classes)
    return model.to(device).eval()
