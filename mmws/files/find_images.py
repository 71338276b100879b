"""Finds the images of a folder and gives them ids."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from .file_kind import IMAGE_SUFFIXES
from .storage import files_in, is_folder


class FoundImages(NamedTuple):
    """The images below a folder, and the paths of the files that have another suffix.

    The images' paths by their ids: the path from the folder, without suffix, with ``/``.
    """

    images: dict[str, str]
    skipped: list[str]


def find_images(
    folder: str | os.PathLike,
    suffixes: Sequence[str] = IMAGE_SUFFIXES,
    *,
    leave_out: str | os.PathLike | None = None,
    backend_args: dict | None = None,
) -> FoundImages:
    """Find the images in a folder, which must exist, and the folders below it but ``leave_out``.

    The suffixes are in lower case; files in upper case count too. One may be more than the ending
    of a file, such as ``_leftimg8bit.png``. Two files with one id are a ValueError.
    """
    if not is_folder(folder, backend_args):
        raise FileNotFoundError(f'there is no folder {folder}. Name the folder of the images.')
    images, skipped = {}, []
    closed = frozenset() if leave_out is None else frozenset([os.path.realpath(leave_out)])
    for name in files_in(folder, backend_args, closed=closed):
        path = os.path.join(folder, name)
        suffix = next((end for end in suffixes if name.lower().endswith(end)), None)
        if suffix is None:
            skipped.append(path)
            continue
        image_id = name[: len(name) - len(suffix)]
        if image_id in images:
            raise ValueError(
                f'{images[image_id]} and {path} have the same name without suffix, {image_id}, '
                'by which their label and saliency maps are called. Rename one of them, or tell '
                'the suffix of the images where that is possible.'
            )
        images[image_id] = path
    return FoundImages(images, skipped)


def images_by_id(
    folder: str | os.PathLike, suffix: str | None = None, backend_args: dict | None = None
) -> dict[str, str]:
    """Find the images of a folder, by id; those of one suffix, or all. None is a ValueError."""
    suffixes = IMAGE_SUFFIXES if suffix is None else [suffix.lower()]
    images = find_images(folder, suffixes, backend_args=backend_args).images
    if not images:
        raise ValueError(f'{folder} holds no image. Is --image-suffix right?')
    return images


def name_of_image(path: str | os.PathLike, folders: Sequence[str] = ()) -> str:
    """Name the files that are made of an image: its path in its folder, without the suffix.

    One that lies in none of the ``folders`` is named by its file alone.
    """
    stem = os.path.splitext(os.fspath(path))[0]
    for folder in folders:
        name = os.path.relpath(stem, folder).replace(os.sep, '/')
        if not name.startswith('../'):
            return name
    return os.path.basename(stem)


def missing_files(paths: Sequence[str | os.PathLike]) -> list[str]:
    """List the files that are not there, with one scan of each folder."""
    paths = [os.fspath(path) for path in paths]
    there = {}
    for folder in {os.path.dirname(path) for path in paths}:
        there[folder] = set(os.listdir(folder or '.')) if os.path.isdir(folder or '.') else ()
    return [path for path in paths if os.path.basename(path) not in there[os.path.dirname(path)]]
