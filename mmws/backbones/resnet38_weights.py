"""Read the released ResNet38 weights: PSA and SEAM files, and the authors' MXNet file."""

from __future__ import annotations

import math
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from mmws.checkpoint import check_finite

# MXNet's file of named arrays, as its src/ndarray/ndarray.cc writes it (little endian):
# list magic, reserved word, number of arrays, the arrays, number of names, the names.
_LIST_MAGIC = 0x112
_ARRAY_V1_MAGIC = 0xF993FAC8  # adds the magic; 64-bit dimensions
_ARRAY_V2_MAGIC = 0xF993FAC9  # adds the storage type
_DENSE = 0
# Indexed by the type flag.
_DTYPES = ('<f4', '<f8', '<f2', 'u1', '<i4', 'i1', '<i8')

# MXNet says res5b1_branch2a_weight where the PyTorch files say b5_1.conv_branch2a.weight.
_MXNET_UNIT = re.compile(
    r'(?P<kind>res|bn)(?P<level>\d)(?P<unit>a|b(?P<index>\d+))_(?P<branch>branch\w+?)'
    r'_(?P<entry>weight|gamma|beta|moving_mean|moving_var)'
)
_MXNET_PLAIN = re.compile(
    r'(?P<layer>conv1a|bn7)_(?P<entry>weight|gamma|beta|moving_mean|moving_var)'
)
_ENTRIES = {
    'weight': 'weight',
    'gamma': 'weight',
    'beta': 'bias',
    'moving_mean': 'running_mean',
    'moving_var': 'running_var',
}


def _read(file: BinaryIO, layout: str) -> tuple:
    """Read and unpack a few numbers of a little-endian :mod:`struct` layout."""
    layout = '<' + layout
    size = struct.calcsize(layout)
    data = file.read(size)
    if len(data) < size:
        raise ValueError(f'the file ends at byte {file.tell()}, in the middle of an array')
    return struct.unpack(layout, data)


def _read_array(file: BinaryIO, bytes_in_file: int) -> np.ndarray:
    """Read one dense array of version 2, 1 or the one before versions (2015 to 2017)."""
    (first,) = _read(file, 'I')
    if first == _ARRAY_V2_MAGIC:
        (storage,) = _read(file, 'i')
        if storage != _DENSE:
            raise ValueError(f'it holds an array of storage type {storage}; only dense (0) is read')
        (ndim,) = _read(file, 'I')
        dimension = 'q'
    elif first == _ARRAY_V1_MAGIC:
        (ndim,) = _read(file, 'I')
        dimension = 'q'
    else:  # before there was a magic number, the file began with the number of dimensions
        ndim, dimension = first, 'I'
    if ndim > 32:
        raise ValueError(f'an array with {ndim} dimensions starts before byte {file.tell()}')
    shape = _read(file, dimension * ndim)
    if ndim == 0:  # an empty array: nothing but its shape is written
        return np.empty(0, np.float32)
    _read(file, 'ii')  # device type and id
    (flag,) = _read(file, 'i')
    if not 0 <= flag < len(_DTYPES):
        raise ValueError(f'it holds an array of the unknown type {flag}')
    dtype = np.dtype(_DTYPES[flag])
    count = math.prod(shape)
    if min(shape) < 0 or count * dtype.itemsize > bytes_in_file - file.tell():
        raise ValueError(f'an array of shape {shape} at byte {file.tell()} is longer than the file')
    return np.fromfile(file, dtype, count).reshape(shape)


def read_mxnet_params(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the named arrays of an MXNet ``.params`` file; MXNet itself is not needed.

    Args:
        path: File written by ``mxnet.nd.save`` or ``mx.model.save_checkpoint``.

    Returns:
        Arrays by name. A checkpoint's names begin with ``arg:`` or ``aux:``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, is cut off, or holds sparse arrays.
    """
    path = Path(path)
    with open(path, 'rb') as file:
        bytes_in_file = os.fstat(file.fileno()).st_size
        try:
            magic, _ = _read(file, 'QQ')
            if magic != _LIST_MAGIC:
                raise ValueError(f'it begins with {magic:#x} instead of {_LIST_MAGIC:#x}')
            (count,) = _read(file, 'Q')
            arrays = [_read_array(file, bytes_in_file) for _ in range(count)]
            (named,) = _read(file, 'Q')
            names = []
            for _ in range(named):
                (length,) = _read(file, 'Q')
                if length > bytes_in_file - file.tell():
                    raise ValueError(f'a name at byte {file.tell()} is longer than the file')
                names.append(file.read(length).decode('utf-8'))
        except (ValueError, UnicodeDecodeError) as error:
            raise ValueError(
                f'{path} is not a readable MXNet .params file: {error}. Was the download complete?'
            ) from error
    if len(names) != len(arrays):
        raise ValueError(
            f'{path} holds {len(arrays)} arrays and {len(names)} names: it is not a checkpoint of '
            'named parameters.'
        )
    return dict(zip(names, arrays, strict=True))


def rename_mxnet_key(name: str) -> str | None:
    """Give the ResNet38 key of an entry of the MXNet file.

    Args:
        name: For example ``arg:res5b1_branch2a_weight``, with or without ``arg:`` or ``aux:``.

    Returns:
        For example ``b5_1.conv_branch2a.weight``; ``None`` for what is not in the backbone, such
        as the ImageNet classifier ``linear1000``.
    """
    name = name.split(':', 1)[-1]
    match = _MXNET_UNIT.fullmatch(name)
    if match:
        unit = f'b{match["level"]}' + (f'_{match["index"]}' if match['index'] else '')
        kind = {'res': 'conv', 'bn': 'bn'}[match['kind']]
        return f'{unit}.{kind}_{match["branch"]}.{_ENTRIES[match["entry"]]}'
    match = _MXNET_PLAIN.fullmatch(name)
    if match:
        return f'{match["layer"]}.{_ENTRIES[match["entry"]]}'
    return None


def read_resnet38_weights(path: str | os.PathLike) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Read a released weight file and gives its entries the names of :class:`ResNet38`.

    Args:
        path: An MXNet ``.params`` file, or a PyTorch file with the PSA/SEAM names, bare or below
            ``state_dict``, with or without ``module.`` in front.

    Returns:
        The renamed entries, and the names of those that no ResNet38 could use.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is neither.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f'ResNet38 weights: there is no file {path}. Download the PSA file '
            'ilsvrc-cls_rna-a1_cls1000_ep-0001.params, or name the one you have in '
            'init_cfg.checkpoint.'
        )
    if path.suffix == '.params':
        found, unused = {}, []
        for name, array in read_mxnet_params(path).items():
            key = rename_mxnet_key(name)
            if key is None:
                unused.append(name)
            else:
                found[key] = torch.from_numpy(array)
        return found, unused
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime
        raise ValueError(
            f'{path} is not a weight file that torch can load safely ({type(error).__name__}: '
            f'{error}). Expected a .params file of MXNet or a .pth file of tensors.'
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get('state_dict'), Mapping):
        content = content['state_dict']
    if not isinstance(content, Mapping):
        raise ValueError(f'{path} holds a {type(content).__name__}; expected tensors by name.')
    found, unused = {}, []
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            found[name.removeprefix('module.')] = value
        else:
            unused.append(name)
    return found, unused


@WEIGHT_INITIALIZERS.register_module()
class PretrainedResNet38:
    """Fill a :class:`ResNet38` from a released file: ``init_cfg=dict(type='PretrainedResNet38')``.

    Every weight and statistic of the backbone must be in the file with the right shape; entries
    of the file that the backbone has no use for are logged.

    Args:
        checkpoint: File as in :func:`read_resnet38_weights`.

    Raises:
        FileNotFoundError: There is no such file (when the weights are loaded).
        ValueError: The file belongs to another model.
    """

    def __init__(self, checkpoint: str):
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        found, unused = read_resnet38_weights(self.checkpoint)
        # A count of batches that training with momentum does not use; old files lack it.
        wanted = {
            name: value
            for name, value in module.state_dict().items()
            if not name.endswith('num_batches_tracked')
        }
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ValueError(
                f'{self.checkpoint} is not a ResNet38 weight file: {len(missing)} of '
                f'{len(wanted)} entries of {type(module).__name__} are not in it, the first '
                f'{missing[0]}; it holds {_some(found)}. Use the PSA or SEAM .pth file or the '
                'MXNet .params file of model A1.'
            )
        for name, value in wanted.items():
            if found[name].shape != value.shape:
                raise ValueError(
                    f'{self.checkpoint}: {name} has shape {tuple(found[name].shape)}, the model '
                    f'needs {tuple(value.shape)}. The released files fit base_channels=64 only.'
                )
        check_finite({name: found[name] for name in wanted}, self.checkpoint)
        with torch.no_grad():
            for name, value in wanted.items():
                value.copy_(found[name])
        unused += [
            name
            for name in found
            if name not in wanted and not name.endswith('num_batches_tracked')
        ]
        print_log(
            f'ResNet38: loaded {len(wanted)} of {len(wanted)} entries from {self.checkpoint}; not '
            f'used from the file: {", ".join(unused) if unused else "nothing"}.',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'PretrainedResNet38: {self.checkpoint}')


def _some(names: Mapping[str, torch.Tensor]) -> str:
    """Join the first few names, for an error message."""
    head = ', '.join(list(names)[:3]) or 'no tensors'
    return head + (f' and {len(names) - 3} more' if len(names) > 3 else '')
