"""Images as the training pipelines see them."""

from __future__ import annotations

import os

import mmcv
import numpy as np


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
        BadInputError: It is missing, empty, damaged, or no image.
    """
    try:
        image = mmcv.imread(os.fspath(path), channel_order='rgb')
    except Exception as error:  # cv2 and file backends raise many kinds
        reason = ' '.join(str(error).split())[:200] or type(error).__name__
        raise BadInputError(f'image {path} cannot be read ({reason})') from error
    if image is None:
        raise BadInputError(f'image {path} is damaged or no image: it cannot be decoded')
    return image
