"""Opens a trained DSS and refuses a checkpoint that does not fit its config."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from mmseg.registry import MODELS

from .dss import DSS


def load_dss(
    config: Config, checkpoint: str | os.PathLike, device: str | torch.device = 'cpu'
) -> DSS:
    """Builds the model of a config and gives it the weights of a checkpoint, all of them.

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
    checkpoint = Path(checkpoint)
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f'There is no checkpoint {checkpoint}. Train one with: python tools/train.py CONFIG'
        )
    with DefaultScope.overwrite_default_scope('mmseg'):
        _check_kind(config)
        model = MODELS.build(copy.deepcopy(config.model))
    try:
        content = CheckpointLoader.load_checkpoint(str(checkpoint), map_location='cpu')
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime
        raise ValueError(
            f'{checkpoint} is not a checkpoint that torch can load safely '
            f'({type(error).__name__}: {error}).'
        ) from error
    state = content.get('state_dict', content) if isinstance(content, dict) else content
    if not isinstance(state, dict):
        raise ValueError(
            f'{checkpoint} holds no weights by name but a {type(state).__name__}. Take a file that '
            'tools/train.py has written.'
        )
    state = {str(name).removeprefix('module.'): value for name, value in state.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        reason = str(error).splitlines()
        raise ValueError(
            f'{checkpoint} does not fit the model of {config.filename}: '
            f'{" ".join(line.strip() for line in reason[1:2])[:300]} Take the config that it was '
            'trained with.'
        ) from error
    bad = [name for name, value in model.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise ValueError(
            f'{len(bad)} weights in {checkpoint} are not finite, the first: {bad[0]}. Its training '
            'has diverged: take an earlier checkpoint, or train with a smaller learning rate.'
        )
    return model.to(device).eval()


def _check_kind(config: Config) -> None:
    kind = (config.get('model') or {}).get('type')
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if not isinstance(found, type) or not issubclass(found, DSS):
        raise ValueError(
            f'the model of {config.filename} is {kind or "not there"}, which gives no saliency '
            'maps. Take a config of configs/saliency.'
        )


def model_identity(model: torch.nn.Module, config: Config) -> dict[str, str]:
    """What tells one model from another: hashes of its weights and of its config."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b'')
    wanted = {
        # How training starts and how outputs are fused are no part of the network.
        key: {name: item for name, item in dict(value).items() if name != 'init_cfg'}
        if isinstance(value, dict)
        else value
        for key, value in config.model.to_dict().items()
        if key not in ('test_cfg', 'train_cfg', 'init_cfg')
    }
    text = json.dumps(wanted, sort_keys=True, default=str)
    return {
        'weights_sha256': digest.hexdigest(),
        'model_sha256': hashlib.sha256(text.encode()).hexdigest(),
    }
