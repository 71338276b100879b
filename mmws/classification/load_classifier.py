"""Opens a trained CAM classifier and refuses one that does not fit its config."""

from __future__ import annotations

import copy
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS


def build_classifier(config: str | os.PathLike | Config) -> ImageClassifier:
    """Builds the classifier of a config, with the weights its constructors give it.

    Args:
        config: A config file of stage one, or what was read from it.

    Returns:
        The model on the CPU, in training mode.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: The config has no model whose head gives class maps.
    """
    name = 'the config'
    if not isinstance(config, Config):
        name = os.fspath(config)
        config = Config.fromfile(name)
    if 'model' not in config:
        raise ValueError(f'{name} has no `model`: it is not a config of a classifier.')
    model_cfg = copy.deepcopy(config.model)
    # As the Runner does with mmpretrain's configs.
    if config.get('data_preprocessor') is not None:
        model_cfg.setdefault('data_preprocessor', copy.deepcopy(config.data_preprocessor))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(model_cfg)
    if not hasattr(getattr(model, 'head', None), 'class_maps'):
        head = type(getattr(model, 'head', None)).__name__
        raise ValueError(
            f'{name}: the model is a {type(model).__name__} with the head {head}, which gives no '
            'class maps. Use VGG16CAMHead or LinearCAMHead.'
        )
    return model


def load_classifier(
    config: str | os.PathLike | Config,
    checkpoint: str | os.PathLike,
    device: str | torch.device = 'cpu',
) -> ImageClassifier:
    """Builds the classifier of a config and gives it the weights of a checkpoint, all of them.

    Args:
        config: A config file of stage one, or what was read from it. Pretrained weights that it
            names are not needed.
        checkpoint: File that training wrote.
        device: Where the model shall be.

    Returns:
        The model in evaluation mode. ``model.dataset_meta['classes']`` are the class names that
        the checkpoint was trained with, or ``None`` where it does not say.

    Raises:
        FileNotFoundError: The config or the checkpoint is not there.
        ValueError: The checkpoint is of another architecture, has other classes or holds NaN.
    """
    checkpoint = Path(checkpoint)
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f'There is no checkpoint {checkpoint}. Train one with: python tools/train.py CONFIG'
        )
    model = build_classifier(config)
    try:
        content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime
        raise ValueError(
            f'{checkpoint} is not a checkpoint that torch can load safely '
            f'({type(error).__name__}: {error}).'
        ) from error
    state = content.get('state_dict', content)
    state = {name.removeprefix('module.'): value for name, value in state.items()}
    _check_fit(model, state, checkpoint)
    strange = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if strange:
        raise ValueError(
            f'{checkpoint}: {len(strange)} of {len(state)} entries hold NaN or infinite values, '
            f'the first: {strange[0]}. The training diverged; take an earlier checkpoint.'
        )
    model.load_state_dict(state)
    classes = (content.get('meta') or {}).get('dataset_meta', {}).get('classes')
    if classes is not None and len(classes) != model.head.num_classes:
        raise ValueError(
            f'{checkpoint} was trained on {len(classes)} classes, its head has '
            f'{model.head.num_classes}: the dataset of that training did not fit its model.'
        )
    model.dataset_meta = dict(classes=classes)
    return model.to(device).eval()


def _check_fit(model: ImageClassifier, state: dict, checkpoint: Path) -> None:
    """Compares names and shapes; the number of classes first, being the likeliest mistake."""
    wanted = model.state_dict()
    name = 'head.fc8.weight'
    if name in state and name in wanted and state[name].shape[1:] == wanted[name].shape[1:]:
        found, expected = len(state[name]), len(wanted[name])
        if found != expected:
            raise ValueError(
                f'{checkpoint} has {found} classes, the config asks for {expected}. Background is '
                'not a class here: VOC has 20. Set model.head.num_classes, or take the config '
                'that the checkpoint was trained with.'
            )
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    other = [n for n in wanted if n in state and state[n].shape != wanted[n].shape]
    if missing or extra or other:
        problems = []
        if missing:
            problems.append(f'{len(missing)} of {len(wanted)} entries are missing ({missing[0]})')
        if extra:
            problems.append(f'{len(extra)} are unknown ({extra[0]})')
        if other:
            shapes = f'{tuple(state[other[0]].shape)} instead of {tuple(wanted[other[0]].shape)}'
            problems.append(f'{len(other)} have another shape ({other[0]}: {shapes})')
        raise ValueError(
            f'{checkpoint} is of another architecture than the config '
            f'({type(model.backbone).__name__} with {type(model.head).__name__}): '
            f'{"; ".join(problems)}. Take the config that it was trained with.'
        )
