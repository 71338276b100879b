"""Read public weight files, and fill a network from one or refuse it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from mmws.checkpoint import check_finite, read_checkpoint, some, weights_of

from .caffemodel import read_caffemodel
from .mxnet_params import read_mxnet_params


def read_weight_file(path: str | os.PathLike, expected: str) -> tuple[dict[str, Tensor], dict]:
    """Read the tensors of a file by name, without ``module.``, and its ``meta``.

    Args:
        path: A file of PyTorch, Caffe (``.caffemodel``) or MXNet (``.params``), a URL, or a name
            such as ``torchvision://vgg16``.
        expected: The files that would do, for messages.
    """
    path = os.fspath(path)
    if '://' not in path and not os.path.isfile(path):
        raise FileNotFoundError(
            f'there is no file {path}. Name one in init_cfg.checkpoint: {expected}.'
        )
    if path.endswith('.caffemodel'):
        return read_caffemodel(path), dict(images='bgr255')
    if path.endswith('.params'):
        arrays = read_mxnet_params(path)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}, {}
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        raise ValueError(
            f'{error} Expected {expected}. Without a network, name a downloaded file in '
            'init_cfg.checkpoint.'
        ) from error
    weights = {n: value for n, value in weights_of(content).items() if isinstance(value, Tensor)}
    return weights, content.get('meta') or {}


def fill(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    path: str | os.PathLike,
    expected: str,
    *,
    names: Collection[str] | None = None,
) -> None:
    """Copy weights, by the module's names, into a module, and log what of the file was not used.

    ``names`` must be filled: by default everything but BatchNorm's ``num_batches_tracked``, which
    old files lack. ``expected`` are the files that would do, for messages.

    Raises:
        ValueError: A weight is missing, of another shape, or holds NaN.
    """
    kind = type(module).__name__
    if names is None:
        names = [n for n in module.state_dict() if not n.endswith('num_batches_tracked')]
    missing = [name for name in names if name not in weights]
    if missing:
        raise ValueError(
            f'{path} does not fit {kind}: {len(missing)} of its {len(names)} entries are not in '
            f'the file, the first {missing[0]}; the file holds {some(weights)}. Use {expected}.'
        )
    chosen = {name: weights[name] for name in names}
    check_finite(chosen, path)
    try:
        module.load_state_dict(chosen, strict=False)
    except RuntimeError as error:  # it names every shape that differs
        raise ValueError(
            f'{path} does not fit {kind}: {error} Use {expected}; train other sizes from scratch, '
            'without this init_cfg.'
        ) from error
    left = [n for n in weights if n not in chosen and not n.endswith('num_batches_tracked')]
    print_log(
        f'{kind}: loaded {len(chosen)} entries from {path}; not used from the file: '
        f'{", ".join(left) or "nothing"}.',
        logger='current',
    )
