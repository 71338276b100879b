"""Writes files that are, at any moment, either not there or whole."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

TEMPORARY = '.part'
_ATTEMPTS = 3


def write_atomically(
    path: str | os.PathLike, content: bytes | Callable[[Path], None], *, replace: bool = True
) -> None:
    """Write a file under a temporary name, then rename it; its folder is made where it is missing.

    Args:
        path: The file. A full disk is named as such; nothing half written stays.
        content: Its bytes, or what writes them to a path that it is given.
        replace: Replace a file that is there already, or that another process writes at the same
            time; otherwise that one stays.
    """
    path = Path(path)
    # Machines that share a disk number their processes alike.
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:16]}{TEMPORARY}')
    try:
        for attempt in range(_ATTEMPTS):
            try:
                if callable(content):
                    content(temporary)
                else:
                    temporary.write_bytes(content)
                if replace or not _linked(temporary, path):
                    os.replace(temporary, path)
                return
            except FileNotFoundError:
                # No folder yet, or another process that has finished it tidied up.
                if attempt == _ATTEMPTS - 1:
                    raise
                path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno,
                f'no space left while writing {path}. Free some and run the same command again: '
                'what is finished is kept',
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _linked(temporary: Path, path: Path) -> bool:
    """Give a file its name unless that is taken; False on a file system without hard links."""
    try:
        os.link(temporary, path)  # fails where the file is there, unlike a rename
    except FileNotFoundError:
        raise
    except OSError as error:
        return isinstance(error, FileExistsError)
    return True
