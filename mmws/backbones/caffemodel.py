"""Read the weights in a ``.caffemodel`` file; Caffe is not needed."""

from __future__ import annotations

import io
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
# Protobuf's kinds of values: the length in bytes of those that do not tell it.
_LENGTHS = {1: 8, 5: 4}


def read_caffemodel(path: str | os.PathLike) -> dict[str, torch.Tensor]:
    """Read ``<layer>.weight`` and ``<layer>.bias`` of a Caffe network; fully connected: (out, in).

    A ValueError says that the file is none, or is cut off.
    """
    entries = {}
    try:
        for field, layer in _fields(Path(path).read_bytes()):
            if field in _LAYERS:
                name_field, blob_field = _LAYERS[field]
                fields = list(_fields(layer))
                name = dict(fields)[name_field].decode()
                blobs = [_array(value) for key, value in fields if key == blob_field]
                entries.update(zip((f'{name}.weight', f'{name}.bias'), blobs, strict=False))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{path} is not a readable .caffemodel file ({error}). Was the download complete?'
        ) from error
    if not entries:
        raise ValueError(f'{path} holds no layer with weights: it is not a .caffemodel file.')
    return entries


def _array(blob: bytes) -> torch.Tensor:
    fields = dict(_fields(blob))
    if _BLOB_SHAPE in fields:
        shape = _numbers(dict(_fields(fields[_BLOB_SHAPE]))[1])
    else:
        # Four numbers, with ones in front of a fully connected layer's two and a bias's one.
        shape = [fields.get(field, 1) for field in _OLD_SHAPE]
        shape = shape[3:] if shape[:3] == [1, 1, 1] else shape[2:] if shape[:2] == [1, 1] else shape
    array = np.frombuffer(fields.get(_BLOB_DATA, b''), '<f4')
    if len(array) != math.prod(shape):
        raise ValueError(f'a blob of shape {shape} has {len(array)} values')
    return torch.from_numpy(array.reshape(shape).copy())


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field of a protobuf message."""
    stream = io.BytesIO(message)
    while stream.tell() < len(message):
        number, kind = divmod(_varint(stream), 8)
        if kind == 0:
            yield number, _varint(stream)
            continue
        length = _varint(stream) if kind == 2 else _LENGTHS[kind]
        value = stream.read(length)
        if len(value) < length:
            raise ValueError('it ends too early')
        yield number, value


def _varint(stream: io.BytesIO) -> int:
    number = shift = 0
    while True:
        (byte,) = stream.read(1)  # a ValueError at the end
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return number


def _numbers(packed: bytes) -> list[int]:
    stream, numbers = io.BytesIO(packed), []
    while stream.tell() < len(packed):
        numbers.append(_varint(stream))
    return numbers
