"""Folders that are packed into one file: 100,000s of small files do not travel, one does."""

from __future__ import annotations

import functools
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

ZIP = '.zip'
_END_OF_ARCHIVE = re.compile(rf'(?<=[^/]){re.escape(ZIP)}(?=/|$)', re.IGNORECASE)
_LOCAL_HEADER = 30  # bytes, then the name and extra data, whose lengths are its last two numbers


class ZipFolder:
    """The files of a zip archive, to be read by many processes without unpacking them.

    One handle a process; a forked one opens its own, for the place in a file is shared with its
    parent. The index is kept as arrays: :class:`zipfile.ZipFile` needs half a kilobyte a file, in
    every worker process. What is neither stored nor deflated is refused.
    """

    def __init__(self, path: str):
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f'{path} is no zip archive, or is cut off ({error}): pack or copy it again.'
            ) from error
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or (
                info.flag_bits & 1
            ):
                raise ValueError(
                    f'{info.filename} in {path} is encrypted, or compressed in a way that is not '
                    'read here. Pack the folder with: mmws pack FOLDER'
                )
        names = np.array([info.filename.encode() for info in infos], np.bytes_)
        order = names.argsort(kind='stable')
        self._names = names[order]
        self._places = np.array(
            [
                (info.header_offset, info.compress_size, info.compress_type == zipfile.ZIP_DEFLATED)
                for info in infos
            ],
            np.int64,
        ).reshape(-1, 3)[order]
        self._process = None

    def names(self) -> Iterator[str]:
        """Yield the paths of all files in the archive, sorted, with ``/``."""
        for name in self._names:
            yield name.decode()

    def read(self, name: str) -> bytes:
        """Read a file; a FileNotFoundError, or a ValueError where the archive is damaged."""
        key = name.encode()
        index = int(np.searchsorted(self._names, key))
        if index == len(self._names) or self._names[index] != key:
            raise FileNotFoundError(f'there is no {name} in {self.path}.')
        if self._process != os.getpid():
            self._file = open(self.path, 'rb')  # noqa: SIM115 (for as long as the process)
            self._lock, self._process = threading.Lock(), os.getpid()
        start, size, deflated = self._places[index].tolist()
        with self._lock:
            self._file.seek(start)
            header = self._file.read(_LOCAL_HEADER)
            if header.startswith(b'PK\x03\x04') and len(header) == _LOCAL_HEADER:
                self._file.seek(sum(struct.unpack('<2H', header[-4:])), os.SEEK_CUR)
                content = self._file.read(size)
                if len(content) == size:
                    return zlib.decompress(content, -zlib.MAX_WBITS) if deflated else content
        raise ValueError(f'{self.path} is damaged at {name}: pack or copy it again.')


class PathInZip(NamedTuple):
    """A path below an archive, as ``seeds.zip/a/b.png``: the archive, and ``a/b.png`` in it."""

    archive: ZipFolder
    name: str


def path_in_zip(path: str | os.PathLike) -> PathInZip | None:
    """Split a path at an archive; None where there is none on it."""
    path = os.fspath(path).replace(os.sep, '/')
    for found in _END_OF_ARCHIVE.finditer(path):
        archive = path[: found.end()]
        try:
            state = os.stat(archive)
        except OSError:
            return None
        if stat.S_ISREG(state.st_mode):  # a folder may be called so
            # One that is replaced is opened anew.
            opened = _opened(archive, state.st_mtime_ns, state.st_size)
            return PathInZip(opened, path[found.end() :].lstrip('/'))
    return None


@functools.lru_cache(maxsize=64)
def _opened(path: str, changed: int, size: int) -> ZipFolder:
    return ZipFolder(path)
