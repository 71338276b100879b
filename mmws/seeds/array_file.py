"""NumPy files of unknown origin, read without running code that they may hold."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from typing import BinaryIO

import numpy as np

from mmws.files.file_kind import known_fault
from mmws.files.storage import read_bytes

# What dictionaries of arrays, numbers and strings need, under the names of all versions of NumPy.
_ARRAY, _SCALAR = np.zeros(0).__reduce__()[0], np.float32(0).__reduce__()[0]
_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
_ALLOWED = {
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    ('collections', 'OrderedDict'): OrderedDict,
    **{
        (f'numpy.{core}.{module}', name): value
        for core in ('core', '_core')
        for module, name, value in (
            ('multiarray', '_reconstruct', _ARRAY),
            ('multiarray', 'scalar', _SCALAR),
            ('numeric', '_frombuffer', _BUFFER),
        )
    },
}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_arrays(path: str | os.PathLike) -> np.ndarray | dict:
    """Read a ``.npy`` or ``.npz`` file of arrays, or of a dictionary of them.

    An archive of one array is that array; of several, a dictionary. What is damaged or something
    else, or holds objects that would run code, is a ValueError.
    """
    content = read_bytes(path)
    fault = known_fault(content)
    if fault is not None and 'NumPy array' not in fault and 'zip archive' not in fault:
        raise ValueError(f'the file {path} {fault}.')
    file = io.BytesIO(content)
    try:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return _read_object(file)
        with zipfile.ZipFile(file) as archive:
            arrays = {
                name.removesuffix('.npy'): _read_object(io.BytesIO(archive.read(name)))
                for name in archive.namelist()
            }
    except Exception as error:  # a damaged pickle raises many kinds
        raise ValueError(
            f'the file {path} cannot be read ({error}). Expected what np.save or np.savez writes '
            'of arrays, or of a dictionary of arrays.'
        ) from error
    return arrays if len(arrays) != 1 else arrays.popitem()[1]


class _Unpickler(pickle.Unpickler):
    """Knows arrays, numbers, strings and what holds them; everything else is refused."""

    def find_class(self, module: str, name: str):
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise ValueError(
                f'{module}.{name} is in it, and only arrays, numbers, strings and dictionaries are '
                'read: loading more could run code of the file. If you trust it, load it yourself '
                'and save a dictionary of arrays'
            ) from None


def _read_object(file: BinaryIO) -> np.ndarray | dict:
    version = np.lib.format.read_magic(file)
    _, _, dtype = _HEADERS[version](file)
    if not dtype.hasobject:
        file.seek(0)
        return np.load(file, allow_pickle=False)
    # Python 2 wrote bytes as text.
    content = _Unpickler(file, encoding='latin1').load()
    return content.item() if getattr(content, 'shape', None) == () else content
