"""Read public weight files, and fill a network from one or refuse it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
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
    names: Iterable[str] | None = None,
    unused: Iterable[str] = (),
) -> None:
    """Copy weights into a module, all or none, and log what of the file was not used.

    Args:
        module: What to fill.
        weights: By the module's names; others are left over.
        path: Of their file, for messages, as ``expected``, the files that would do.
        names: What must be filled. By default everything but BatchNorm's ``num_batches_tracked``,
            which old files lack.
        unused: What else there is in the file.

    Raises:
        ValueError: A weight is missing, of another shape, or holds NaN.
    """
    kind, own = type(module).__name__, module.state_dict()
    names = [n for n in own if not n.endswith('num_batches_tracked')] if names is None else names
    own = {name: own[name] for name in names}
    missing = [name for name in own if name not in weights]
    if missing:
        raise ValueError(
            f'{path} does not fit {kind}: {len(missing)} of its {len(own)} entries are not in the '
            f'file, the first {missing[0]}; the file holds {some([*weights, *unused])}. Use '
            f'{expected}.'
        )
    for name, value in own.items():
        if weights[name].shape != value.shape:
            raise ValueError(
                f'{path} does not fit {kind}: {name} has shape {tuple(value.shape)}, the file has '
                f'{tuple(weights[name].shape)}. Use {expected}; train other sizes from scratch, '
                'without this init_cfg.'
            )
    check_finite({name: weights[name] for name in own}, path)
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(weights[name])
    left = [n for n in weights if n not in own and not n.endswith('num_batches_tracked')]
    print_log(
        f'{kind}: loaded {len(own)} entries from {path}; not used from the file: '
        f'{", ".join([*left, *unused]) or "nothing"}.',
        logger='current',
    )
    if hasattr(module, '_params_init_info'):
        update_init_info(module, init_info=f'loaded from {path}')
