"""Reading checkpoints, and refusing one that does not fit the model or holds NaN."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn


def unwrap_model(model: nn.Module) -> nn.Module:
    """Unwrap a DDP or test-time augmentation model."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def read_checkpoint(path: str | os.PathLike) -> dict:
    """Read a checkpoint, a file or a URL that mmengine reads, onto the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: torch cannot load it safely, or it holds no weights by name.
    """
    path = os.fspath(path)
    if '://' not in path and not Path(path).is_file():
        raise FileNotFoundError(
            f'There is no checkpoint {path}. Train one with: python tools/train.py CONFIG'
        )
    try:
        if Path(path).is_file():  # OneDL's mmengine reads unsafely what the safe loader refuses
            content = torch.load(path, map_location='cpu')
        else:
            content = CheckpointLoader.load_checkpoint(path, map_location='cpu', logger='silent')
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime
        raise ValueError(
            f'{path} is not a checkpoint that torch can load safely '
            f'({type(error).__name__}: {error}).'
        ) from error
    weights = content.get('state_dict', content) if isinstance(content, Mapping) else content
    if not isinstance(weights, Mapping):
        raise ValueError(
            f'{path} holds no weights by name but a {type(weights).__name__}. Take a file that '
            'tools/train.py has written.'
        )
    return content


def weights_of(checkpoint: Mapping) -> OrderedDict:
    """Return the state dict of a checkpoint, or of a bare state dict, as mmengine loads it."""
    weights = checkpoint.get('state_dict', checkpoint)
    found = OrderedDict((re.sub(r'^module\.', '', name), w) for name, w in weights.items())
    found._metadata = getattr(weights, '_metadata', OrderedDict())
    return found


def check_finite(weights: Mapping[str, Tensor], source: str | os.PathLike) -> None:
    """Refuse, by a ValueError, weights that hold NaN or infinity; ``source`` names their file."""
    bad = [
        name
        for name, value in weights.items()
        if isinstance(value, Tensor) and not torch.isfinite(value).all()
    ]
    if bad:
        raise ValueError(
            f'{len(bad)} of {len(weights)} weights in {source} hold NaN or infinity, the first: '
            f'{bad[0]}. The training that wrote it diverged, or the file is broken: take an '
            'earlier checkpoint or another file.'
        )


def load_weights(
    model: nn.Module,
    checkpoint: Mapping,
    source: str | os.PathLike = 'the checkpoint',
    *,
    allow_partial: bool = False,
    allow_mismatch: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """Load all weights of a checkpoint into a model, or refuse it.

    Two differences are no mistake: weights of an auxiliary head that the model at hand leaves out,
    and BatchNorm's ``num_batches_tracked``, which old files lack.

    Args:
        model: Wrapped or not.
        checkpoint: What :func:`read_checkpoint` gives; it is not changed.
        source: Its name, for messages.
        allow_partial: Accept a checkpoint that holds a part of the model, or more than it. A shape
            that differs and a checkpoint with no weight of the model stay errors.
        allow_mismatch: With ``allow_partial``, patterns (regular expressions, searched in the
            weight's name) of weights whose shape may differ. They keep their values.

    Returns:
        The names of the model's weights that are not in the checkpoint, and of the checkpoint's
        that are not in the model.

    Raises:
        ValueError: The weights that are missing, unknown, of another shape, or not finite.
    """
    model = unwrap_model(model)
    weights, own, kind = weights_of(checkpoint), model.state_dict(), type(model).__name__
    check_finite(weights, source)
    differing = [n for n in own if n in weights and weights[n].shape != own[n].shape]
    refused = [
        f'{n} is {tuple(weights[n].shape)} in the file and {tuple(own[n].shape)} in the model'
        for n in differing
        if not any(re.search(pattern, n) for pattern in allow_mismatch)
    ]
    if refused:
        raise ValueError(
            f'{len(refused)} weights in {source} have another shape than in {kind}: '
            f'{some(refused)}. Use the config that it was made with; where only the last layer of '
            'a head differs, its num_classes does. To fine-tune, name the layers that may differ: '
            "dict(type='CheckpointCheckHook', allow_partial=True, allow_mismatch=['conv_seg']) in "
            'custom_hooks.'
        )
    for name in differing:
        del weights[name]
    # Modules may rename weights of older versions while they load, so loading is what compares.
    missing, unexpected = model.load_state_dict(weights, strict=False)
    counters = {name for name in own if name.endswith('num_batches_tracked')}
    missing = [name for name in missing if name not in counters and name not in differing]
    if not getattr(model, 'with_auxiliary_head', True):
        unexpected = [name for name in unexpected if not name.startswith('auxiliary_head.')]
    nothing = {*missing, *differing} >= own.keys() - counters
    if nothing or ((missing or unexpected) and not allow_partial):
        raise ValueError(
            f'{source} is a checkpoint of another architecture than {kind}: it lacks '
            f'{len(missing)} weights of the model ({some(missing)}) and has {len(unexpected)} '
            f'that the model has not ({some(unexpected)}). Use the config that it was made with. '
            'Weights of a backbone alone belong into its init_cfg. To start a training from a part '
            "of the weights: dict(type='CheckpointCheckHook', allow_partial=True) in custom_hooks."
        )
    return missing, unexpected


def some(names: Iterable[str]) -> str:
    """Write out the first of some names."""
    names = list(names)
    return (', '.join(names[:3]) or 'nothing') + (', ...' if len(names) > 3 else '')


def model_identity(model: nn.Module, config: Mapping) -> dict[str, str]:
    """Hash a model's weights, and the config that it was built from, to tell it from others.

    ``init_cfg`` and ``pretrained`` in the config do not count: they say what training starts from.
    """
    digest = hashlib.sha256()
    for name, value in sorted({**dict(model.named_buffers()), **model.state_dict()}.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b'')
    text = json.dumps(_without_initialisation(config), sort_keys=True, default=str)
    return {
        'weights_sha256': digest.hexdigest(),
        'model_sha256': hashlib.sha256(text.encode()).hexdigest(),
    }


def _without_initialisation(value):
    if isinstance(value, Mapping):
        kept = {key: item for key, item in value.items() if key not in ('init_cfg', 'pretrained')}
        return {key: _without_initialisation(item) for key, item in kept.items()}
    if isinstance(value, (list, tuple)):
        return [_without_initialisation(item) for item in value]
    return value
