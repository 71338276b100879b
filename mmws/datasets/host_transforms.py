"""Transforms of mmseg that need help with an index map."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import RandomFlip, RandomRotFlip

from mmws.files.label_map import UNKNOWN
from mmws.seeds.vote import vote

from .index_map import LITERALS, look_up, set_seeds


class RotateFlipLabels(RandomRotFlip):
    """Run ``RandomRotFlip`` with label maps rotated by nearest neighbour.

    mmseg interpolates between class ids (the rim between classes 0 and 15 becomes classes 1 to 14)
    and calls what rotates into the image background. Here no new labels appear, and the corners are
    unknown.
    """

    def random_rotate(self, results: dict) -> dict:
        angle = np.random.uniform(min(*self.degree), max(*self.degree))
        results['img'] = mmcv.imrotate(results['img'], angle=angle)
        for key in results.get('seg_fields', []):
            results[key] = mmcv.imrotate(
                results[key], angle=angle, border_value=UNKNOWN, interpolation='nearest'
            )
        return results


class Around(BaseTransform):
    """A transform around another one."""

    def __init__(self, inner: BaseTransform):
        self.inner = inner

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.inner!r})'


class SwapSeedLabels(Around):
    """Trade the labels of the seeds where a ``RandomFlip`` trades labels (left arm, right arm)."""

    inner: RandomFlip

    def transform(self, results: dict) -> dict:
        results = self.inner(results)
        if results['flip'] and 'seed_table' in results:
            traded = np.arange(256, dtype=np.uint8)
            for one, other in self.inner.swap_seg_labels:
                traded[one], traded[other] = other, one
            table = results['seed_table'].copy()
            table[:, LITERALS:] = traded[table[:, LITERALS:]]
            results['seed_table'] = table
            results.pop('vote_table', None)
        return results


class ResizeAsBytes(Around):
    """Run a resize whose backend, pillow, takes bytes: the index map has four of them a pixel."""

    def transform(self, results: dict) -> dict:
        if 'seed_table' not in results:
            return self.inner(results)
        index = np.ascontiguousarray(results['gt_seg_map'], np.int32)
        results['gt_seg_map'] = index.view(np.uint8).reshape(*index.shape, 4)
        results = self.inner(results)
        results['gt_seg_map'] = np.ascontiguousarray(results['gt_seg_map']).view(np.int32)[..., 0]
        return results


class MixSeeds(Around):
    """Run a transform that mixes several images (``RandomMosaic``) on K maps of labels each."""

    def get_indices(self, dataset) -> list[int]:
        """Draw the images to mix, as MultiImageMixDataset asks for them."""
        return self.inner.get_indices(dataset)

    def transform(self, results: dict) -> dict:
        """Mix.

        Raises:
            ValueError: The transform moves ``gt_seg_map`` but not all maps in ``seg_fields``.
        """
        fields, num_seeds = results['seg_fields'], len(results['seed_table'])
        keys = [f'gt_seed_{k:03d}' for k in range(num_seeds)]
        for sample in (results, *results.get('mix_results', ())):
            seeds = look_up(sample['seed_table'], sample['gt_seg_map'])
            sample.update(zip(keys, seeds, strict=True))
            sample.update(gt_seg_map=vote(seeds), seg_fields=[*fields, *keys])
        results = self.inner(results)
        seeds = np.stack([results.pop(key) for key in keys])
        if not np.array_equal(vote(seeds), results['gt_seg_map']):
            raise ValueError(
                f'{type(self.inner).__name__} mixes gt_seg_map but not the seeds. Have it mix '
                "every map in results['seg_fields'], as mmseg's RandomMosaic does."
            )
        set_seeds(results, num_seeds, seeds.shape[1:])[...] = seeds
        results['seg_fields'] = fields
        return results
