"""Read the weights in a ``.caffemodel`` file; Caffe is not needed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

# Fields of caffe.proto: layers of a NetParameter, then name and blobs of a layer, in the present
# form and in the one before 2014 (V1LayerParameter).
_LAYERS = {100: (1, 7), 2: (4, 6)}
_BLOB_DATA, _BLOB_SHAPE, _OLD_SHAPE = 5, 7, (1, 2, 3, 4)


def read_caffemodel(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Read the weights and biases of a Caffe network.

    Args:
        path: The file. Networks of Caffe take BGR images from 0 to 255 less a mean.

    Returns:
        ``<layer>.weight`` and ``<layer>.bias``; fully connected weights are (outputs, inputs).

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not such a file, or is cut off.
    """
    entries = {}
    try:
        for field, layer in _fields(memoryview(Path(path).read_bytes())):
            if field not in _LAYERS:
                continue
            name_field, blob_field = _LAYERS[field]
            fields = list(_fields(layer))
            name = next(bytes(value).decode() for key, value in fields if key == name_field)
            blobs = [_array(value) for key, value in fields if key == blob_field]
            entries.update(zip((f'{name}.weight', f'{name}.bias'), blobs, strict=False))
    except (IndexError, StopIteration, TypeError, ValueError) as error:
        raise ValueError(
            f'{path} is not a readable .caffemodel file ({error or "it ends too early"}). Was the '
            'download complete?'
        ) from error
    if not entries:
        raise ValueError(f'{path} holds no layer with weights: it is not a .caffemodel file.')
    return entries


def _array(blob: memoryview) -> torch.Tensor:
    data, shape, old_shape = b'', [], {}
    for field, value in _fields(blob):
        if field == _BLOB_DATA:
            data = value
        elif field == _BLOB_SHAPE:
            shape = [size for _, packed in _fields(value) for size in _varints(packed)]
        elif field in _OLD_SHAPE:
            old_shape[field] = value
    if not shape:
        # Four numbers, with ones in front of a fully connected layer's two and a bias's one.
        shape = [old_shape.get(field, 1) for field in _OLD_SHAPE]
        shape = shape[3:] if shape[:3] == [1, 1, 1] else shape[2:] if shape[:2] == [1, 1] else shape
    array = np.frombuffer(data, '<f4')
    if len(array) != math.prod(shape):
        raise ValueError(f'a blob of shape {shape} has {len(array)} values')
    return torch.from_numpy(array.reshape(shape).copy())


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and the value of each field of a protobuf message."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
        elif kind in (1, 2, 5):
            length = {1: 8, 5: 4}.get(kind)
            if length is None:
                length, position = _varint(message, position)
            value = message[position : position + length]
            if len(value) < length:
                raise ValueError('it ends too early')
            position += length
        else:
            raise ValueError(f'unknown wire type {kind}')
        yield key >> 3, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, position


def _varints(value: int | memoryview) -> Iterator[int]:
    """Yield a repeated number, packed or not."""
    if isinstance(value, int):
        yield value
        return
    position = 0
    while position < len(value):
        number, position = _varint(value, position)
        yield number
