"""Finds the images of a folder and gives them ids."""

from __future__ import annotations

import os
from collections.abc import Sequence

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def find_images(
    folder: str | os.PathLike, suffixes: Sequence[str] = IMAGE_SUFFIXES
) -> dict[str, str]:
    """Finds the images in a folder and the folders below it.

    Args:
        folder: Where to look.
        suffixes: Lower-case endings; files in upper case count too.

    Returns:
        The path of each by its id: the path from ``folder``, without suffix, with ``/``. Hidden
        files are left out.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: Two files have one id.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f'there is no folder {folder}. Name the folder of the images.')
    found = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if name.startswith('.') or suffix.lower() not in suffixes:
                continue
            path = os.path.join(parent, name)
            image_id = os.path.relpath(os.path.join(parent, stem), folder).replace(os.sep, '/')
            if image_id in found:
                raise ValueError(
                    f'{found[image_id]} and {path} have the same name without suffix, {image_id}, '
                    'by which the saliency map is called. Rename one of them.'
                )
            found[image_id] = path
    return found
