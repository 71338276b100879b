"""Label maps: PNG files that hold a class id at every pixel."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from .file_kind import file_fault, pixel_kind
from .storage import read_bytes

# In all label maps and seeds. Heads may give the unknown another number, their ignore_index.
BACKGROUND, UNKNOWN = 0, 255


def read_label_map(path: str | os.PathLike, backend_args: dict | None = None) -> np.ndarray:
    """Read the class ids of a label map.

    Args:
        path: An 8-bit palette or greyscale PNG, or any other lossless single-channel image; 16-bit
            ones as long as their values fit into 8 bits. It may lie in an archive, ``a.zip/x.png``.
        backend_args: As of mmengine, where it lies elsewhere.

    Returns:
        (H, W) uint8, may be read-only: of a palette image the indices, not the colours.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is damaged, or its pixels are no class ids (RGB, JPEG, ...).
    """
    return decode_label_map(read_bytes(path, backend_args), path)


def decode_label_map(content: bytes, path: str | os.PathLike) -> np.ndarray:
    """Decode the content of a file as :func:`read_label_map` does; ``path`` is for messages."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError, zlib.error) as error:
        fault = file_fault(content) or f'cannot be decoded ({error})'
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
        return pixels
    if mode.startswith('I'):
        lowest, highest = int(pixels.min()), int(pixels.max())
        if lowest >= 0 and highest <= UNKNOWN:
            return pixels.astype(np.uint8)
        raise ValueError(
            f'label map {path} holds {pixel_kind(image)}, {lowest}..{highest}; class ids are '
            '0..254, and 255 is unknown. Map the ids first.'
        )
    raise ValueError(
        f'label map {path} holds {pixel_kind(image)}, not class ids. Store the ids as a palette or '
        '8-bit greyscale PNG (index i for class i, 255 for unknown).'
    )


def foreign_labels(labels: np.ndarray, num_classes: int) -> list[int]:
    """List the labels of a uint8 map that are neither below ``num_classes`` nor unknown."""
    # Unknown wraps to 0: one comparison for both.
    shifted = labels + np.uint8(1)
    if shifted.max(initial=0) <= num_classes:
        return []
    return np.unique(labels[shifted > num_classes]).tolist()


def drop_zero_label(labels: np.ndarray) -> np.ndarray:
    """Make 0 unknown and move the other labels of a uint8 map down by one, as mmseg does."""
    # 0 and 255 wrap to 255 and 254.
    return np.where(labels == UNKNOWN, labels, labels - np.uint8(1))


def encode_label_map(labels: np.ndarray, palette: np.ndarray | None = None) -> bytes:
    """Encode a label map, (H, W) uint8, as palette PNG; the same map gives the same bytes.

    The palette is (256, 3) uint8, RGB; VOC's colours by default.
    """
    labels = np.asarray(labels)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'a label map is (H, W) uint8; got {labels.shape} {labels.dtype}.')
    image = Image.fromarray(np.ascontiguousarray(labels), 'L')
    image.putpalette((voc_palette() if palette is None else palette).tobytes())
    stream = io.BytesIO()
    # Label maps are tiny at any level; at this one they are read twice as fast as at the default.
    image.save(stream, 'PNG', compress_level=1)
    return stream.getvalue()


def label_colours(palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Give the colours of all 256 labels: (256, 3) uint8, RGB; of the classes as in ``palette``.

    Other labels are black, but for 255, which has the pale colour in which VOC draws pixels without
    a class.
    """
    colours = np.zeros((256, 3), np.uint8)
    colours[UNKNOWN] = (224, 224, 192)
    colours[: len(palette)] = palette[:256]
    return colours


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
