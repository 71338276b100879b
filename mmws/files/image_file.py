"""Images as the training pipelines see them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import mmcv
import numpy as np
from PIL import Image

from .file_kind import IMAGE_SUFFIXES, file_fault, known_fault, pixel_kind
from .storage import is_local, read_bytes

# EXIF orientations under which a decoder turns the image by 90 degrees, as OpenCV does.
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112


class BadInputError(ValueError):
    """What belongs to one image is missing or bad; others can go on."""


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image.

    Whatever is in the file becomes three channels of 8 bits: grey images are repeated, CMYK and
    palettes converted, 16 bits cut to the upper 8, an alpha channel is dropped. An image that its
    EXIF data turns is turned.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        BadInputError: It is missing, empty, damaged, no image, or of 32 bits a channel.
    """
    return _decoded(path, lambda name: mmcv.imread(name, channel_order='rgb'))


def image_size(path: str | os.PathLike, backend_args: dict | None = None) -> tuple[int, int]:
    """Read the (height, width) of an image, turned by its EXIF data as :func:`read_image` does.

    Only the header is read where pillow knows the kind of file; OpenCV knows more, such as TIFF
    files of many bands, of this machine's.
    """
    local = is_local(path, backend_args)
    try:
        with Image.open(path if local else io.BytesIO(read_bytes(path, backend_args))) as image:
            width, height = image.size
            turned = image.getexif().get(_ORIENTATION) in _TURNED
            return (width, height) if turned else (height, width)
    except (OSError, SyntaxError, ValueError) as error:
        if not local:
            raise BadInputError(f'image {path} cannot be read ({error})') from error
        return read_bands(path).shape[:2]


def read_bands(path: str | os.PathLike) -> np.ndarray:
    """Read an image as it is stored: any number of bands, of 8, 16 or 32 bits.

    (H, W) or (H, W, bands), three or four bands in the order BGR(A). Errors as in
    :func:`read_image`.
    """
    return _decoded(path, lambda name: cv2.imread(name, cv2.IMREAD_UNCHANGED))


def read_saliency(path: str | os.PathLike, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a saliency map of 8-bit grey, with or without a palette of greys: (H, W) uint8.

    Raises:
        BadInputError: It is missing, unreadable, not 8-bit grey, or not of the ``size`` (H, W) of
            its image, where that is known.
    """
    try:
        with Image.open(io.BytesIO(read_bytes(path))) as image:
            mode = image.mode
            colours = np.asarray(image.convert('RGB') if mode == 'P' else image)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInputError(f'saliency map {path} cannot be read ({error})') from error
    saliency = colours[..., 0] if mode == 'P' else colours
    if mode not in ('L', 'P') or (mode == 'P' and (colours != saliency[..., None]).any()):
        raise BadInputError(f'saliency map {path} has mode {mode}; it must be 8-bit grey')
    if size not in (None, saliency.shape):
        raise BadInputError(
            f'saliency map {path} is {saliency.shape[1]} x {saliency.shape[0]} pixels, its image '
            f'{size[1]} x {size[0]}'
        )
    return saliency


def _decoded(path: str | os.PathLike, decode: Callable[[str], np.ndarray | None]) -> np.ndarray:
    try:
        open(path, 'rb').close()  # OpenCV does not say that a file is not there
        try:
            image = decode(os.fspath(path))
        except cv2.error:  # says where in OpenCV's code it stopped, not what is wrong
            image = None
        fault = _fault(path) if image is None else None
    except OSError as error:
        fault = f'cannot be read ({error})'
    if fault:
        raise BadInputError(f'image {path} {fault}')
    return image


def _fault(path: str | os.PathLike) -> str:
    """Tell why OpenCV cannot decode a file, as far as pillow knows."""
    fault = file_fault(Path(path).read_bytes())
    if fault is not None:
        return fault
    with Image.open(path) as image:
        if image.mode in ('I', 'F'):
            return f'holds {pixel_kind(image)}: save it with 8 or 16 bits a channel'
        return (
            f'cannot be decoded by OpenCV ({image.format}, mode {image.mode}): save it as JPEG or '
            'PNG'
        )


def check_is_whole(path: str) -> None:
    """Refuse what OpenCV stops at without naming the file, or reads without a word.

    It fills what is missing of a truncated JPEG with grey.
    """
    name = path.lower()
    if not name.endswith(IMAGE_SUFFIXES):
        return
    with open(path, 'rb') as file:
        fault = known_fault(file.read(512))
        if fault is None and name.endswith(('.jpg', '.jpeg')):
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2**16))
            # The end marker, which compressed data cannot hold.
            whole = b'\xff\xd9' in file.read()
            fault = None if whole else file_fault(Path(path).read_bytes())
    if fault is not None:
        raise ValueError(f'image {path} {fault}.')
