"""Finds the images of a folder and gives them ids."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .id_list import IMAGE_SUFFIXES
from .seed_source import SeedSource


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
    """Find the images in a folder and the folders below it, symbolic links included.

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
                'by which their label and saliency maps are called. Rename one of them, or tell '
                'the suffix of the images where that is possible.'
            )
        images[image_id] = path
    return FoundImages(images, skipped)


def images_by_id(folder: str | os.PathLike, suffix: str | None = None) -> dict[str, str]:
    """Find the images of a folder, by id.

    Args:
        folder: Where to look.
        suffix: What their names end with, as ``_leftImg8bit.png``; the rest of a name is its id.
            By default all images are found, and ids are names without the ending of the file.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: There is no image in it, or two have one id.
    """
    if not os.path.isdir(folder):
        raise FileNotFoundError(f'there is no folder {folder}. Name the folder of the images.')
    if suffix is None:
        images = find_images(folder).images
    else:
        place = SeedSource(os.fspath(folder), suffix, 'images')
        images = {image_id: place.path(image_id) for image_id in place.image_ids()}
    if not images:
        raise ValueError(f'{folder} holds no image. Is --image-suffix right?')
    return images


def name_of_image(path: str | os.PathLike, folders: Sequence[str] = ()) -> str:
    """Name the files that are made of an image: its path in its folder, without the suffix.

    Args:
        path: Of the image.
        folders: Where images lie. The name of one that lies in none of them is its file's.
    """
    stem = os.path.splitext(os.fspath(path))[0]
    for folder in folders:
        name = os.path.relpath(stem, folder).replace(os.sep, '/')
        if not name.startswith('../'):
            return name
    return os.path.basename(stem)


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
