"""Finds the images of a folder and gives them ids."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


class FoundImages(NamedTuple):
    """What a folder and the folders below it hold.

    Attributes:
        images: Path of each image by its id: the path from the folder, without suffix, with ``/``.
        skipped: Paths of the files that have another suffix.
    """

    images: dict[str, str]
    skipped: list[str]


def find_images(
    folder: str | os.PathLike,
    suffixes: Sequence[str] = IMAGE_SUFFIXES,
    *,
    leave_out: str | os.PathLike | None = None,
) -> FoundImages:
    """Finds the images in a folder and the folders below it, symbolic links included.

    Hidden files and folders are left out.

    Args:
        folder: Where to look.
        suffixes: Lower-case endings; files in upper case count too.
        leave_out: A folder below in which not to look.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: Two files have one id.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f'there is no folder {folder}. Name the folder of the images.')
    images, skipped = {}, []
    closed = frozenset() if leave_out is None else frozenset([os.path.realpath(leave_out)])
    for path in _files(folder, closed):
        stem, suffix = os.path.splitext(path)
        if suffix.lower() not in suffixes:
            skipped.append(path)
            continue
        image_id = os.path.relpath(stem, folder).replace(os.sep, '/')
        if image_id in images:
            raise ValueError(
                f'{images[image_id]} and {path} have the same name without suffix, {image_id}, '
                'by which the saliency map is called. Rename one of them.'
            )
        images[image_id] = path
    return FoundImages(images, skipped)


def read_ids(path: str | os.PathLike, images: Collection[str]) -> list[str]:
    """Reads a list of images, one a line.

    A line is the id of an image, with or without a suffix and a ``/`` in front. A list may name the
    image and its mask: then the first word of a line counts.

    Args:
        path: The list.
        images: The ids that are there.

    Returns:
        The ids in the order of the list; what is not there as its first word says.

    Raises:
        FileNotFoundError: There is no such list.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f'the list {path} does not exist. Name a text file of image ids, one a line, or leave '
            'it out to use the whole folder.'
        )
    with open(path, encoding='utf-8') as file:
        lines = [line.strip().lstrip('/') for line in file]
    return [_id_of(line, images) for line in lines if line]


def _files(folder: str, closed: frozenset[str]) -> Iterator[str]:
    """Files in order of their names, folder by folder; ``closed`` ends links that go in circles."""
    place = os.path.realpath(folder)
    if place in closed:
        return
    below = []
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith('.'):
                continue
            if entry.is_dir():
                below.append(entry.path)
            else:
                yield entry.path
    for path in below:
        yield from _files(path, closed | {place})


def _id_of(line: str, images: Collection[str]) -> str:
    for name in (line, line.split()[0]):
        stem, suffix = os.path.splitext(name)
        names = (name, stem) if suffix.lower() in IMAGE_SUFFIXES else (name,)
        for image_id in names:
            if image_id in images:
                return image_id
    return names[-1]
