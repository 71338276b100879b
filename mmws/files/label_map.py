"""Label maps: PNG files that hold a class id at every pixel."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from .file_kind import file_fault, pixel_kind

# In all label maps and seeds. Heads may give the unknown another number, their ignore_index.
BACKGROUND, UNKNOWN = 0, 255

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_GREY, _PALETTE = 0, 3


def read_label_map(path: str | Path) -> np.ndarray:
    """Read the class ids of a label map.

    Args:
        path: An 8-bit palette or greyscale PNG, or any other lossless single-channel image; 16-bit
            ones as long as their values fit into 8 bits.

    Returns:
        (H, W) uint8, read-only, the stored values: of a palette image the palette indices, not its
        colours.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is damaged, or its pixels are no class ids (RGB, JPEG, ...).
    """
    with open(path, 'rb') as file:
        content = file.read()
    labels = _decode_plain_png(content)
    return _decode_with_pillow(content, path) if labels is None else labels


def encode_label_map(labels: np.ndarray) -> bytes:
    """Encode a label map as palette PNG in VOC's colours; the same map gives the same bytes.

    Args:
        labels: (H, W) uint8.

    Raises:
        ValueError: Another shape or dtype.
    """
    labels = np.asarray(labels)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'a label map is (H, W) uint8; got {labels.shape} {labels.dtype}.')
    image = Image.fromarray(np.ascontiguousarray(labels), 'L')
    image.putpalette(voc_palette().tobytes())
    stream = io.BytesIO()
    # Label maps are tiny at any level; at this one they are read twice as fast as at the default.
    image.save(stream, 'PNG', compress_level=1)
    return stream.getvalue()


def voc_palette() -> np.ndarray:
    """Give VOC's colours of the labels 0 to 255: (256, 3) uint8, RGB.

    The bits of the label are dealt out to red, green and blue in turn, highest colour bit first.
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for step in range(8):
        for channel in range(3):
            colours[:, channel] |= (labels >> (3 * step + channel) & 1) << (7 - step)
    return colours.astype(np.uint8)


def _decode_plain_png(content: bytes) -> np.ndarray | None:
    """Decode the form in which label maps are nearly always stored, or returns None.

    An 8-bit palette or grey PNG without row filters, which is what palette images are written as,
    is one deflate stream: reading that takes a third of the time of a general decoder, and twelve
    seeds an image make decoding the largest part of a sample's cost. The chunks' checksums, over a
    few kilobytes, stand for that of the stream, over all pixels.
    """
    if content[:8] != _PNG_SIGNATURE or content[12:16] != b'IHDR':
        return None
    width, height, depth, colour, _, _, interlace = struct.unpack_from('>IIBBBBB', content, 16)
    if depth != 8 or colour not in (_GREY, _PALETTE) or interlace:
        return None
    position, stream = 33, []
    while position + 8 <= len(content):
        (length,) = struct.unpack_from('>I', content, position)
        kind, end = content[position + 4 : position + 8], position + 8 + length
        if kind == b'IDAT':
            checksum = zlib.crc32(content[position + 4 : end])
            if content[end : end + 4] != checksum.to_bytes(4, 'big'):
                return None
            stream.append(content[position + 8 : end])
        elif kind == b'IEND':
            break
        position = end + 4
    packed = b''.join(stream)
    if len(packed) < 6 or packed[0] & 15 != 8:
        return None
    try:
        # Between two bytes of header and four of checksum.
        pixels = zlib.decompress(packed[2:-4], wbits=-15, bufsize=height * (width + 1))
    except zlib.error:
        return None
    if len(pixels) != height * (width + 1):
        return None
    rows = np.frombuffer(pixels, np.uint8).reshape(height, width + 1)
    # The first byte of a row is its filter.
    return None if rows[:, 0].any() else rows[:, 1:]


def _decode_with_pillow(content: bytes, path: str | Path) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        fault = file_fault(path) or f'cannot be decoded ({error})'
        raise ValueError(f'label map {path} {fault}.') from error
    kind, mode = image.format, image.mode
    if kind == 'JPEG':
        raise ValueError(
            f'label map {path} is a JPEG, whose compression changes class ids. Store label maps '
            'as PNG.'
        )
    if mode == '1' or (mode == 'L' and kind == 'PNG' and content[24] < 8):
        raise ValueError(
            f'label map {path} is a greyscale PNG of fewer than 8 bits, whose values a decoder '
            'stretches to 0-255. Store it as an 8-bit greyscale or a palette PNG.'
        )
    pixels = np.asarray(image)
    if mode in ('P', 'L'):
        return np.asarray(pixels, np.uint8)
    if mode.startswith('I'):
        lowest, highest = int(pixels.min()), int(pixels.max())
        if lowest >= 0 and highest <= 255:
            return pixels.astype(np.uint8)
        raise ValueError(
            f'label map {path} holds {pixel_kind(image)}, {lowest}..{highest}; class ids are '
            '0..254, and 255 is unknown. Map the ids first.'
        )
    raise ValueError(
        f'label map {path} holds {pixel_kind(image)}, not class ids. Store the ids as a palette or '
        '8-bit greyscale PNG (index i for class i, 255 for unknown).'
    )
