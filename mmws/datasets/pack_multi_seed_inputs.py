"""The end of a multi-seed pipeline."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from mmws.seeds.vote import vote

from .load_multi_seed_annotations import LITERALS, resolve_index, seed_keys

# How many pixels are looked at to see whether the seeds and their vote moved together.
_PROBES = 64


@TRANSFORMS.register_module()
class PackMultiSeedInputs(PackSegInputs):
    """mmseg's ``PackSegInputs`` for K seeds.

    The data sample gets ``gt_seeds`` ((K, H, W) uint8, 255 is unknown) beside ``gt_sem_seg``, the
    majority vote of the seeds ((1, H, W) int64), which is what stock losses, samplers and accuracy
    see; and the metainfo ``seed_present`` ((K,) tuple of bool, False where the image lacks a seed).

    Args:
        meta_keys: As in mmseg.
    """

    def transform(self, results: dict) -> dict:
        """Packs a sample.

        Raises:
            KeyError: No seeds were loaded.
            ValueError: A transform moved the image but not the seeds.
        """
        if 'seed_present' not in results:
            raise KeyError(
                'PackMultiSeedInputs found no seeds in the sample: put LoadMultiSeedAnnotations '
                'where the pipeline has LoadAnnotations, and the dataset into a '
                'mmws.MultiSeedDataset.'
            )
        num_seeds = len(results['seed_present'])
        in_index_layout = 'seed_table' in results
        keys = ['gt_seg_map'] if in_index_layout else ['gt_seg_map', *seed_keys(num_seeds)]
        self._check_sizes(results, keys)
        if in_index_layout:
            index, table = results['gt_seg_map'], results['seed_table']
            self._check_index(index, table)
            seeds = resolve_index(table, index)
            consensus = vote(seeds)
        else:
            seeds = np.stack([results[key] for key in keys[1:]])
            consensus = results['gt_seg_map']
            self._check_together(seeds, consensus, results)

        packed = super().transform({**results, 'gt_seg_map': consensus})
        sample = packed['data_samples']
        sample.set_data(dict(gt_seeds=PixelData(data=torch.from_numpy(seeds))))
        sample.set_metainfo(dict(seed_present=tuple(map(bool, results['seed_present']))))
        return packed

    @staticmethod
    def _check_sizes(results: dict, keys: list[str]) -> None:
        size = results['img'].shape[:2]
        for key in keys:
            found = results[key].shape
            if tuple(found) != tuple(size):
                raise ValueError(
                    f'at the end of the pipeline the image {results.get("img_path")} is '
                    f'{tuple(size)} (height, width) but {key} is {tuple(found)}: a transform moved '
                    'the image and left the seeds behind. Use one that moves every map in '
                    "results['seg_fields'] (mmseg's do; mmcv's Pad and CenterCrop do not: pad in "
                    'data_preprocessor instead).'
                )

    @staticmethod
    def _check_index(index: np.ndarray, table: np.ndarray) -> None:
        # An interpolating resize or a cast to bytes would scatter the seeds without a word.
        if index.dtype != np.int32 or not 0 <= index.min() <= index.max() < table.shape[-1]:
            raise ValueError(
                f'gt_seg_map is {index.dtype} with values {index.min()}..{index.max()} at the end '
                'of the pipeline; LoadMultiSeedAnnotations made it an int32 index map with values '
                f'{LITERALS}..{table.shape[-1] - 1}. A transform replaced or converted it: load '
                "the seeds with layout='maps'."
            )

    @staticmethod
    def _check_together(seeds: np.ndarray, consensus: np.ndarray, results: dict) -> None:
        """Some pixels of the vote must be the vote of the pixels, or one was flipped alone."""
        if not consensus.size:
            return
        places = np.linspace(0, consensus.size - 1, _PROBES).astype(np.intp)
        expected = vote(seeds.reshape(len(seeds), 1, -1)[..., places])[0]
        found = consensus.ravel()[places]
        if (expected != found).any():
            raise ValueError(
                f'the seeds of {results.get("img_path")} and their majority vote in gt_seg_map do '
                'not belong to the same pixels any more: a transform moved only gt_seg_map. Use '
                "mmseg's transforms, which move every map in results['seg_fields']."
            )
