"""Images as the training pipelines see them."""

from __future__ import annotations

import os

import cv2
import mmcv
import numpy as np
from PIL import Image, UnidentifiedImageError


class BadInputError(Exception):
    """What belongs to one image is missing or bad; others can go on."""


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Reads an image.

    Whatever is in the file becomes three channels of 8 bits: grey images are repeated, CMYK and
    palettes converted, 16 bits cut to the upper 8, an alpha channel is dropped. An image that its
    EXIF data turns is turned.

    Args:
        path: The file.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        BadInputError: It is missing, empty, damaged, no image, or of 32 bits a channel.
    """
    try:
        image = mmcv.imread(os.fspath(path), channel_order='rgb')
    except cv2.error as error:
        # OpenCV says where in its own code it stopped, not what is wrong with the file.
        raise BadInputError(f'image {path} {_fault(path)}') from error
    except Exception as error:  # cv2 and file backends raise many kinds
        reason = ' '.join(str(error).split())[:200] or type(error).__name__
        raise BadInputError(f'image {path} cannot be read ({reason})') from error
    if image is None:
        raise BadInputError(f'image {path} {_fault(path)}')
    return image


def _fault(path: str | os.PathLike) -> str:
    """Why OpenCV cannot decode a file, as far as pillow knows."""
    if not os.path.getsize(path):
        return 'is an empty file'
    try:
        with Image.open(path) as image:
            if image.mode in ('I', 'F'):
                return 'has 32 bits a channel: save it with 8 or 16'
            image.load()
            return (
                f'cannot be decoded by OpenCV ({image.format}, mode {image.mode}): save it as JPEG '
                'or PNG'
            )
    except UnidentifiedImageError:
        return 'is no image, or damaged at its start'
    except (OSError, SyntaxError, ValueError) as error:
        return f'is damaged or cut off ({error})'


def check_jpeg_is_whole(path: str) -> None:
    """Refuse a truncated JPEG: OpenCV fills what is missing with grey and says nothing.

    Raises:
        ValueError: The file ends early.
    """
    if not path.lower().endswith(('.jpg', '.jpeg')):
        return
    with open(path, 'rb') as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2**16))
        if b'\xff\xd9' in file.read():  # the end marker, which compressed data cannot hold
            return
    try:
        with Image.open(path) as image:
            image.load()
    except OSError as error:
        raise ValueError(
            f'image {path} is truncated ({error}; {size} bytes). Fetch it again.'
        ) from error
