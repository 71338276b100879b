"""Tells what a file really is, for the messages about files that cannot be read."""

from __future__ import annotations

import io

from PIL import Image, UnidentifiedImageError

# Aerial and microscope images have more pixels than pillow takes for an attack.
Image.MAX_IMAGE_PIXELS = None

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
_STARTS = {
    b'version https://git-lfs': 'is the pointer that git-lfs leaves for a file that it has not '
    'fetched: run "git lfs pull"',
    b'\x93NUMPY': 'is a NumPy array (.npy), no image',
    b'PK\x03\x04': 'is a zip archive, as .npz files are, and no image',
    b'%PDF': 'is a PDF document, no image',
    b'\x1f\x8b': 'is compressed by gzip: unpack it first',
    b'\x89HDF': 'is an HDF5 file (.h5, .mat), no image',
    b'MATLAB': 'is a MATLAB file (.mat), no image',
}
_PIXELS = {
    'F': 'floating-point numbers',
    **dict.fromkeys(('LA', 'La'), 'grey with an alpha channel'),
    **dict.fromkeys(('RGBA', 'RGBa', 'PA'), 'colours with an alpha channel'),
}


def known_fault(content: bytes) -> str | None:
    """Tell from its first bytes that a file is something else than data; None where it may be."""
    start = content[:512]
    if not start:
        return 'is an empty file, as an interrupted copy leaves it'
    for known, fault in _STARTS.items():
        if start.startswith(known):
            return fault
    text = start.lstrip(b'\xef\xbb\xbf \t\r\n').lower()
    if text.startswith((b'<!doctype html', b'<html')):
        return 'is an HTML page, such as the message of a failed download'
    if not start.strip(b'\0'):
        return 'begins with zeros only, as an interrupted copy leaves it'
    return None


def file_fault(content: bytes) -> str | None:
    """Tell why the content of a file is no image that can be read.

    It is the end of a sentence, such as "is an empty file"; None for an image that pillow decodes.
    """
    fault = known_fault(content)
    if fault is not None:
        return fault
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except UnidentifiedImageError:
        return 'is no image, or is damaged or cut off near its start'
    except (OSError, SyntaxError, ValueError) as error:
        return f'is damaged or cut off ({error}): write it again'
    return None


def pixel_kind(image: Image.Image) -> str:
    """Name what the pixels of an image are, where they are no class ids."""
    mode = image.mode
    if mode.startswith('I'):
        return '16-bit numbers' if ';16' in mode else '32-bit numbers'
    return _PIXELS.get(mode, f'colours (mode {mode})')
