"""The pilot experiment's noise: blocks of background on foreground objects (section 3, Fig. 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from mmws.files.label_map import BACKGROUND, UNKNOWN

# The paper says "random sizes". These give the look of its Fig. 2 on images of 500 pixels.
SIZE_RANGE = (8, 64)
# Draws that hit a pixel which is background by now before the list of foreground is made anew.
_MISSES = 32


def add_block_noise(
    labels: np.ndarray,
    ratio: float,
    rng: np.random.Generator,
    *,
    size_range: tuple[int, int] = SIZE_RANGE,
    both_ways: bool = False,
) -> np.ndarray:
    """Replace a share of the foreground pixels by background, block by block.

    Each block is centred on a foreground pixel that is left, of independent uniform height and
    width; the last one is cut from below so that the share is met to a row. Classes and instances
    are not told apart; unknown pixels stay.

    Args:
        labels: (H, W) uint8, the ground truth: 0 background, 255 unknown; not changed.
        ratio: The share of the foreground pixels to replace, in [0, 1].
        rng: Makes the draw, see :func:`noise_generator`.
        size_range: Smallest and largest side of a block in pixels, inclusive.
        both_ways: As many pixels of the background get a class of the image, likewise by blocks.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f'ratio is a share of the foreground, 0 to 1; got {ratio}.')
    low, high = size_range
    if not 1 <= low <= high:
        raise ValueError(f'size_range must be 1 <= smallest <= largest; got {size_range}.')
    noisy = labels.copy()
    foreground = (labels != BACKGROUND) & (labels != UNKNOWN)
    replaced = round(ratio * np.count_nonzero(foreground))
    for pixels in _blocks(foreground.copy(), replaced, rng, size_range):
        noisy[pixels] = BACKGROUND
    if both_ways and replaced:
        background = labels == BACKGROUND
        classes = np.unique(labels[foreground])
        added = min(replaced, np.count_nonzero(background))
        for pixels in _blocks(background, added, rng, size_range):
            noisy[pixels] = rng.choice(classes)
    return noisy


def _blocks(
    left: np.ndarray, count: int, rng: np.random.Generator, size_range: tuple[int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give the pixels of blocks on a mask, which is cleared there, until so many are given."""
    low, high = size_range
    places, misses = np.flatnonzero(left), 0
    width = left.shape[1]
    while count > 0:
        row, column = divmod(int(places[rng.integers(len(places))]), width)
        if not left[row, column]:
            misses += 1
            if misses > _MISSES:
                places, misses = np.flatnonzero(left), 0
            continue
        tall, wide = (int(side) for side in rng.integers(low, high + 1, size=2))
        top, first = max(row - tall // 2, 0), max(column - wide // 2, 0)
        block = np.s_[top : row - tall // 2 + tall, first : column - wide // 2 + wide]
        rows, columns = np.nonzero(left[block])
        if len(rows) > count:  # the row in which the share is met is the last one
            within = rows <= rows[count - 1]
            rows, columns = rows[within], columns[within]
        pixels = rows + top, columns + first
        left[pixels] = False
        count -= len(rows)
        yield pixels


def noise_generator(
    image_id: str, ratio: float, draw: int, *, seed: int = 0
) -> np.random.Generator:
    """Make the random numbers of one draw on one image: the same in any order, on any machine."""
    text = f'{seed}|{image_id}|{ratio!r}|{draw}'
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], 'big'))
