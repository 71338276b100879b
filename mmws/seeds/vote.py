"""The majority vote of several label maps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmws.files.label_map import UNKNOWN


def vote(seeds: np.ndarray) -> np.ndarray:
    """The label that most seeds give each pixel.

    Args:
        seeds: (K, H, W) uint8 label maps, K < 256; 255 is unknown and does not vote.

    Returns:
        (H, W) uint8. Of labels with equally many votes the smallest; 255 where no seed knows the
        pixel.
    """
    if len(seeds) == 1:
        return seeds[0].copy()
    winner = np.full(seeds.shape[1:], UNKNOWN, np.uint8)
    most = np.zeros(seeds.shape[1:], np.uint8)
    # Few labels occur in an image: one pass for each is far cheaper than a histogram per pixel.
    for label in _labels(seeds):
        votes = np.add.reduce((seeds == label).view(np.uint8), axis=0, dtype=np.uint8)
        np.copyto(winner, label, where=votes > most)
        np.maximum(most, votes, out=most)
    return winner


def _labels(seeds: np.ndarray) -> Iterator[int]:
    """The labels that occur, ascending, without 255."""
    lowest = int(seeds.min(initial=UNKNOWN))
    while lowest < UNKNOWN:
        yield lowest
        # What is not above this label wraps around to the top: the minimum leads to the next one.
        beyond = int((seeds - np.uint8(lowest + 1)).min())
        lowest += 1 + min(beyond, UNKNOWN - 1 - lowest)
