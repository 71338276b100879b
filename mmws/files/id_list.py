"""Lists of images in text files, as users and data sets write them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Container, Sequence

from .file_kind import IMAGE_SUFFIXES
from .storage import read_bytes

_SUFFIX = '(?:' + '|'.join(map(re.escape, IMAGE_SUFFIXES)) + ')'
# VOC's lists of one class, "2007_000032  1", and those that name the mask too.
_FLAGGED = re.compile(r'(\S+)\s+(?:-1|0|1)')
_PAIR = re.compile(rf'(.+?{_SUFFIX})\s+(\S.*{_SUFFIX})', re.IGNORECASE)


def read_lines(path: str | os.PathLike, backend_args: dict | None = None) -> list[str]:
    """Read the lines of a text file that are not blank, without the space around them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no UTF-8 text (with or without a byte order mark), or blank.
    """
    try:
        content = read_bytes(path, backend_args)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise FileNotFoundError(
            f'the list {path} does not exist. Name a text file with one image a line.'
        ) from error
    try:
        text = content.decode('utf-8-sig')
        if '\0' in text:
            raise ValueError('it holds the byte 0')
    except ValueError as error:
        wide = content[:2] in (b'\xff\xfe', b'\xfe\xff') or b'\0' in content[:64]
        what = 'UTF-16, which some editors call Unicode' if wide else 'another encoding, or no text'
        raise ValueError(
            f'the list {path} is not UTF-8 text but {what} ({error}). Save it as UTF-8.'
        ) from error
    # Not str.splitlines: an id may hold characters that it takes for ends of lines.
    lines = [line.strip() for line in text.replace('\r', '\n').split('\n')]
    lines = [line for line in lines if line]
    if not lines:
        raise ValueError(f'the list {path} is empty: it should name one image a line.')
    return lines


def read_ids(
    path: str | os.PathLike,
    exists: Callable[[str], bool],
    *,
    repeats: bool = False,
    backend_args: dict | None = None,
) -> list[str]:
    """Read a list of images, one a line: their ids in its order, be the images there or not.

    A line is the id of an image, which may hold folders and spaces, with or without a suffix and a
    ``/`` in front. If no line is one, VOC's other lists are understood, as long as all lines are of
    their form: the id and 1, 0 or -1; or the paths of the image and of its mask.

    ``exists`` tells whether there is an image of an id; it is asked only where a line can be read
    in several ways. An id listed twice is a ValueError, but with ``repeats``, as mmseg's datasets
    take it. Other errors are as in :func:`read_lines`.
    """
    lines = [
        line if '\\' in line and exists(line) else line.replace('\\', '/').lstrip('/')
        for line in read_lines(path, backend_args)
    ]
    ids = _other_form(lines, exists) or [_without_suffix(line, exists) for line in lines]
    if not repeats:
        check_unique(ids, path)
    return ids


def listed_ids(
    path: str | os.PathLike, known: Container[str], where: str | os.PathLike
) -> list[str]:
    """Read a list of images that must all be ``known``; ``where``, for messages, is their place."""
    ids = read_ids(path, known.__contains__)
    if missing := [image_id for image_id in ids if image_id not in known]:
        raise FileNotFoundError(
            f'{len(missing)} of {len(ids)} images of {path} are not in {where}, the first: '
            f'{missing[0]}.'
        )
    return ids


def check_unique(ids: Sequence[str], path: str | os.PathLike) -> None:
    """Refuse, by a ValueError, a list that names an image twice."""
    twice = [image_id for image_id, count in Counter(ids).items() if count > 1]
    if twice:
        raise ValueError(
            f'{path} lists {len(twice)} image ids more than once, the first: {twice[0]}. Each '
            'image has one entry.'
        )


def _other_form(lines: Sequence[str], exists: Callable[[str], bool]) -> list[str] | None:
    """Read the ids of one of VOC's lists that are more than ids; None if this is none."""
    for form in (_PAIR, _FLAGGED):
        found = [form.fullmatch(line) for line in lines]
        if all(found) and not any(exists(_without_suffix(line, exists)) for line in lines):
            if form is _FLAGGED:
                return [_without_suffix(match[1], exists) for match in found]
            return [_common_id(match[1], match[2].lstrip('/'), exists) for match in found]
    return None


def _without_suffix(name: str, exists: Callable[[str], bool]) -> str:
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in IMAGE_SUFFIXES and not exists(name) else name


def _common_id(image: str, mask: str, exists: Callable[[str], bool]) -> str:
    """Name ``JPEGImages/a/x.jpg`` and ``SegmentationClass/a/x.png`` ``a/x``, if that exists."""
    image = _without_suffix(image, exists)
    parts, others = image.split('/'), os.path.splitext(mask)[0].split('/')
    same = len(os.path.commonprefix([parts[::-1], others[::-1]]))
    common = '/'.join(parts[len(parts) - same :])
    return common if same and not exists(image) and exists(common) else image
