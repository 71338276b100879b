"""K seeds that travel through a pipeline as one map of where each pixel came from."""

from __future__ import annotations

import numpy as np

from mmws.seeds.vote import vote

# Values of an index map below this are labels (what a transform filled in), from it on they are
# places in the source maps.
LITERALS = 256


def set_seeds(results: dict, num_seeds: int, size: tuple[int, int]) -> np.ndarray:
    """Give a sample an index map of the identity, and room for K seeds.

    The room is returned, to be filled: (K, H, W) uint8, a view of the sample's ``seed_table``.
    """
    height, width = size
    # The labels stand before the pixels, so that an index map is looked up without a branch.
    table = np.empty((num_seeds, LITERALS + height * width), np.uint8)
    table[:, :LITERALS] = np.arange(LITERALS)
    index = np.arange(LITERALS, table.shape[1], dtype=np.int32)
    results.update(gt_seg_map=index.reshape(height, width), seed_table=table)
    results.pop('vote_table', None)
    return table[:, LITERALS:].reshape(num_seeds, height, width)


def look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Look an index map up in the source maps: (K, H, W) or (H, W) uint8.

    Args:
        table: (K, 256 + P) or (256 + P,) uint8, the 256 labels and then the P source pixels.
        index: (H, W) integers into the last axis of ``table``.
    """
    return np.take(table, index.astype(np.intp), axis=-1)


def vote_table(results: dict) -> np.ndarray:
    """Give the majority vote of a sample's source maps, (256 + P,) uint8; computed once."""
    if 'vote_table' not in results:
        table = results['seed_table']
        voted = vote(table[:, None, LITERALS:])[0]
        results['vote_table'] = np.concatenate([table[0, :LITERALS], voted])
    return results['vote_table']


def check_index(index: np.ndarray, size: int, culprit: str = 'A transform') -> None:
    """Refuse, by a ValueError that names the ``culprit``, what is no index map (H, W) any more.

    Interpolation, a cast to bytes or a fresh label map would scatter the seeds without a word. It
    holds integers below ``size``, the number of values in the sample's table, and not labels alone.
    """
    if index.size == 0:
        return
    lowest, highest = index.min(), index.max()
    places = index.dtype.kind in 'iu' and lowest >= 0 and highest < size
    # One label alone may be the middle of a large cut-out.
    if not places or lowest < highest < LITERALS:
        raise ValueError(
            f'{culprit} replaced or converted gt_seg_map: it is {index.dtype} with values '
            f'{lowest}..{highest}, where LoadMultiSeedAnnotations made an int32 index map with '
            f'values {LITERALS}..{size - 1}, which transforms move but do not change. Seeds are '
            'label maps in folders (seed_dirs).'
        )
