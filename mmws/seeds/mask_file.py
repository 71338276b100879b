"""Masks as other programs write them: class ids, colours, or ids beside their certainty."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from mmws.files.file_kind import file_fault
from mmws.files.label_map import UNKNOWN, decode_label_map, voc_palette
from mmws.files.storage import read_bytes

# VOC's colour of pixels that do not count, which other data sets' masks are painted with too.
_UNKNOWN_COLOUR = (224, 224, 192)
_WEIGHTS = np.array([1 << 16, 1 << 8, 1])  # one number for a colour


class Mask(NamedTuple):
    """A mask.

    Attributes:
        form: ``'ids'``, ``'colours'`` or ``'certainty'``; ``found`` is that in words.
        labels: (H, W) uint8.
        certainty: (H, W) float32 in [0, 1], or None.
    """

    form: str
    found: str
    labels: np.ndarray
    certainty: np.ndarray | None = None


def read_mask(path: str | os.PathLike, palette: Sequence[Sequence[int]] | None = None) -> Mask:
    """Read a PNG of class ids; of colours; or of class ids and, in a second channel, certainty.

    One channel holds ids. Two are grey and alpha of a PNG, as URN writes its pseudo-labels: ids,
    and certainty times 255. Three are the colours of a palette, the RGB of each label, by default
    VOC's 256. With another palette files of one channel are painted in it too, and their own
    indices mean nothing. A colour that is not in it is a ValueError.
    """
    content = read_bytes(path)
    try:
        with Image.open(io.BytesIO(content)) as image:
            mode, pixels = image.mode, image
            if mode == 'LA':
                pixels = np.asarray(image)
            elif palette is not None or mode in ('RGB', 'RGBA'):
                pixels = np.asarray(image.convert('RGB'))
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'mask {path} {file_fault(content) or error}.') from error
    if mode == 'LA':
        certainty = pixels[..., 1].astype(np.float32) / np.float32(255)
        return Mask('certainty', 'class ids and certainty', pixels[..., 0], certainty)
    if isinstance(pixels, np.ndarray):
        named = "the palette's colours" if palette else "VOC's colours"
        labels = _labels_of_colours(path, pixels, voc_palette() if palette is None else palette)
        return Mask('colours', named, labels)
    return Mask('ids', 'class ids', decode_label_map(content, path))


def _labels_of_colours(
    path: str | os.PathLike, pixels: np.ndarray, palette: Sequence[Sequence[int]]
) -> np.ndarray:
    numbers = np.append(np.asarray(palette, np.int64) @ _WEIGHTS, _UNKNOWN_COLOUR @ _WEIGHTS)
    labels = np.append(np.arange(len(palette)), UNKNOWN).astype(np.uint8)
    order = numbers.argsort(kind='stable')
    pixels = pixels.astype(np.int64) @ _WEIGHTS
    place = order[np.searchsorted(numbers[order], pixels).clip(max=len(order) - 1)]
    foreign = pixels[numbers[place] != pixels]
    if foreign.size:
        colour = tuple(int(foreign[0]) >> shift & 255 for shift in (16, 8, 0))
        raise ValueError(
            f'{path} holds colours that are not of the palette at {foreign.size / pixels.size:.1%} '
            f'of the pixels, the first: {colour}. Is it another palette, or was the file scaled or '
            'saved as JPEG?'
        )
    return labels[place]
