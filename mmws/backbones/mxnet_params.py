"""Read the named arrays in a ``.params`` file; MXNet is not needed."""

from __future__ import annotations

import math
import os
import struct

import numpy as np

# As src/ndarray/ndarray.cc of MXNet writes them (little endian): list magic, reserved word, number
# of arrays, the arrays, number of names, the names.
_LIST_MAGIC = 0x112
_ARRAY_V1_MAGIC = 0xF993FAC8  # adds the magic; 64-bit dimensions
_ARRAY_V2_MAGIC = 0xF993FAC9  # adds the storage type
# Indexed by the type flag.
_DTYPES = ('<f4', '<f8', '<f2', 'u1', '<i4', 'i1', '<i8')


def read_mxnet_params(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read the arrays of ``mxnet.nd.save``, by name, as ``arg:...`` or ``aux:...``.

    A ValueError says that the file is none, is cut off, or holds sparse arrays.
    """
    reader = _Reader(np.fromfile(path, np.uint8))
    try:
        magic, _, count = reader.numbers('QQQ')
        if magic != _LIST_MAGIC:
            raise ValueError(f'it begins with {magic:#x} instead of {_LIST_MAGIC:#x}')
        arrays = [reader.array() for _ in range(count)]
        (named,) = reader.numbers('Q')
        names = [reader.take('u1', *reader.numbers('Q')).tobytes().decode() for _ in range(named)]
        return dict(zip(names, arrays, strict=True))
    except (ValueError, struct.error, OverflowError) as error:
        raise ValueError(
            f'{path} is not a readable MXNet .params file: {error}. Was the download complete?'
        ) from error


class _Reader:
    def __init__(self, content: np.ndarray):
        self.content = content
        self.position = 0

    def numbers(self, layout: str) -> tuple:
        """Unpack a layout of :mod:`struct`."""
        values = struct.unpack_from(f'<{layout}', self.content, self.position)
        self.position += struct.calcsize(f'<{layout}')
        return values

    def take(self, dtype: str, count: int) -> np.ndarray:
        array = np.frombuffer(self.content, dtype, count, self.position).copy()
        self.position += array.nbytes
        return array

    def array(self) -> np.ndarray:
        """Read a dense array of version 2, 1 or the one before versions (2015 to 2017)."""
        (ndim,) = self.numbers('I')
        dimension = 'I'  # before there was a magic number, the number of dimensions came first
        if ndim in (_ARRAY_V1_MAGIC, _ARRAY_V2_MAGIC):
            storage = self.numbers('i')[0] if ndim == _ARRAY_V2_MAGIC else 0
            if storage:
                raise ValueError(f'it holds an array of storage type {storage}; only dense is read')
            (ndim,), dimension = self.numbers('I'), 'Q'
        if ndim > 32:
            raise ValueError(f'an array with {ndim} dimensions starts before byte {self.position}')
        shape = self.numbers(dimension * ndim)
        if not shape:  # of an empty array nothing but its shape is written
            return np.empty(0, np.float32)
        _, _, flag = self.numbers('iii')  # after the type and id of a device
        if not 0 <= flag < len(_DTYPES):
            raise ValueError(f'it holds an array of the unknown type {flag}')
        return self.take(_DTYPES[flag], math.prod(shape)).reshape(shape)
