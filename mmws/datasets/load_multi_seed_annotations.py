"""Loading K label maps of one image into mmseg's pipeline."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmws.files.label_map import UNKNOWN, drop_zero_label, foreign_labels, read_label_map

from .index_map import set_seeds


@TRANSFORMS.register_module()
class LoadMultiSeedAnnotations(BaseTransform):
    """Load the K seeds of an image; stands where ``LoadAnnotations`` stands in a pipeline.

    The seeds travel as one map: ``gt_seg_map`` is an (H, W) int32 *index map* that says where each
    pixel came from. Every transform that moves a label map moves it, whether mmseg's, mmcv's or
    another library's, at the cost of one label map, and :class:`PackMultiSeedInputs` looks the K
    seeds up once at the end. Values below 256 are labels that a transform filled in (padding,
    cut-outs) and hold for all seeds. Transforms that read labels see the majority vote:
    :class:`MultiSeedDataset` puts a :class:`LabelView` around them.

    Required keys: ``img`` (its size is checked), ``seed_paths`` (K paths, None where an image lacks
    the seed), ``seg_fields``; optional ``reduce_zero_label``, ``label_map``, ``ignore_index`` and
    ``num_classes``, as the dataset sets them.

    Added keys: ``gt_seg_map``; ``seed_table`` ((K, 256 + H * W) uint8); ``seed_present`` ((K,)
    bool).

    Args:
        backend_args: How mmengine reads the seeds, as in ``LoadAnnotations``.
    """

    def __init__(self, backend_args: dict | None = None):
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Add the seeds.

        Raises:
            KeyError: The sample holds no ``seed_paths``: its dataset is no MultiSeedDataset.
            ValueError: A seed is damaged, holds colours, has another size than the image, or labels
                outside the classes.
        """
        if 'seed_paths' not in results:
            raise KeyError(
                f'sample {results.get("img_path")} has no seed_paths. LoadMultiSeedAnnotations '
                'works in the pipeline of a mmws.MultiSeedDataset, which wraps any mmseg dataset: '
                "dataset=dict(type='mmws.MultiSeedDataset', dataset=dict(...), seed_dirs=[...])."
            )
        paths = results['seed_paths']
        seeds = set_seeds(results, len(paths), results['img'].shape[:2])
        lookup = label_lookup(results)
        for seed, path in zip(seeds, paths, strict=True):
            seed[...] = UNKNOWN if path is None else self._read(path, lookup, results)
        results['seed_present'] = np.array([path is not None for path in paths])
        results['seg_fields'].append('gt_seg_map')
        return results

    def _read(self, path: str, lookup: np.ndarray, results: dict) -> np.ndarray:
        labels = read_label_map(path, self.backend_args)
        height, width = results['img'].shape[:2]
        if labels.shape != (height, width):
            raise ValueError(
                f'seed {path} is {labels.shape[1]}x{labels.shape[0]} (width x height), its image '
                f'{results.get("img_path")} is {width}x{height}. Seeds are label maps of the whole '
                'image at its own size: write them at that size (nearest neighbour).'
            )
        if (lookup[:-1] != np.arange(UNKNOWN)).any():
            labels = lookup[labels]
        num_classes = results.get('num_classes') or UNKNOWN
        if wrong := foreign_labels(labels, num_classes):
            raise ValueError(
                f'seed {path} holds the labels {wrong[:8]}, but the dataset has {num_classes} '
                f'classes: 0..{num_classes - 1}, and 255 for unknown. Is it a map of class ids of '
                'this dataset? Another label that does not count is named to the dataset and the '
                f'head as ignore_index (here {results.get("ignore_index", UNKNOWN)}).'
            )
        return labels

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'


def label_lookup(info: dict) -> np.ndarray:
    """Give the label that each stored value stands for, (256,) uint8.

    As stock LoadAnnotations has it, ``reduce_zero_label`` and then ``label_map``; the dataset's
    ``ignore_index`` becomes 255.
    """
    table = np.arange(256, dtype=np.uint8)
    if info.get('reduce_zero_label'):
        table = drop_zero_label(table)
    renamed = table.astype(int)
    for old, new in (info.get('label_map') or {}).items():
        renamed[table == old] = new
    renamed[renamed == info.get('ignore_index', UNKNOWN)] = UNKNOWN
    return renamed.astype(np.uint8)
