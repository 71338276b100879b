"""The end of a multi-seed pipeline."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS

from mmws.files.label_map import UNKNOWN
from mmws.seeds.vote import vote

from .index_map import check_index, look_up


@TRANSFORMS.register_module()
class PackMultiSeedInputs(PackSegInputs):
    """mmseg's ``PackSegInputs`` for K seeds.

    The data sample gets ``gt_seeds`` ((K, H, W) uint8, 255 is unknown) beside ``gt_sem_seg``, the
    majority vote of the seeds ((1, H, W) int64, the dataset's ``ignore_index`` is unknown), which
    is what stock losses, samplers and accuracy see; and the metainfo ``seed_present`` ((K,) tuple
    of bool, False where the image lacks a seed) and ``seed_names``.

    Args:
        meta_keys: As in mmseg.
    """

    def transform(self, results: dict) -> dict:
        """Pack a sample.

        Raises:
            KeyError: No seeds were loaded.
            ValueError: A transform moved the image but not the seeds.
        """
        if 'seed_table' not in results:
            raise KeyError(
                'PackMultiSeedInputs found no seeds in the sample: put LoadMultiSeedAnnotations '
                'where the pipeline has LoadAnnotations, and the dataset into a '
                'mmws.MultiSeedDataset.'
            )
        index, size = results['gt_seg_map'], results['img'].shape[:2]
        if index.shape != size:
            raise ValueError(
                f'at the end of the pipeline the image {results.get("img_path")} is {size} '
                f'(height, width) but gt_seg_map is {index.shape}: a transform moved the image '
                'and left the seeds behind. Have it move gt_seg_map as it moves the image.'
            )
        check_index(index, results['seed_table'].shape[1])
        seeds = look_up(results['seed_table'], index)
        voted = results.get('vote_table')  # of the source pixels, where a transform asked for it
        label = (vote(seeds) if voted is None else look_up(voted, index)).astype(np.int64)
        label[label == UNKNOWN] = results.get('ignore_index', UNKNOWN)

        packed = super().transform({**results, 'gt_seg_map': label})
        sample = packed['data_samples']
        sample.set_data(dict(gt_seeds=PixelData(data=torch.from_numpy(seeds))))
        names = results.get('seed_names', ())
        present = tuple(map(bool, results['seed_present']))
        sample.set_metainfo(dict(seed_present=present, seed_names=names))
        return packed
