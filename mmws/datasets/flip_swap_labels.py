"""mmseg's RandomFlip with ``swap_seg_labels``, for K seeds."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import RandomFlip

from mmws.seeds.vote import vote

from .load_multi_seed_annotations import LITERALS, seed_keys


class FlipSwapLabels(BaseTransform):
    """Runs a ``RandomFlip`` that trades labels (left arm, right arm) on seeds in either layout.

    In layout ``'index'`` the flip sees places and trades the literal labels among them only; here
    the labels behind the places are traded too. In layout ``'maps'`` it trades the labels of the
    vote as well, where of equally many votes the smallest label wins: the vote is taken anew.
    :class:`MultiSeedDataset` puts this around the original.

    Args:
        flip: The transform, with ``swap_seg_labels``.
    """

    def __init__(self, flip: RandomFlip):
        self.flip = flip

    def transform(self, results: dict) -> dict:
        results = self.flip(results)
        if not results['flip']:
            return results
        if 'seed_table' in results:
            traded = np.arange(256, dtype=np.uint8)
            for one, other in self.flip.swap_seg_labels:
                traded[one], traded[other] = other, one
            table = results['seed_table'].copy()
            table[:, LITERALS:] = traded[table[:, LITERALS:]]
            results['seed_table'] = table
            results.pop('consensus_table', None)
        else:
            seeds = [results[key] for key in seed_keys(len(results['seed_present']))]
            results['gt_seg_map'] = vote(np.stack(seeds))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.flip!r})'
