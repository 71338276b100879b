"""Loading K label maps of one image into mmseg's pipeline."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmws.files.label_map import UNKNOWN, read_label_map
from mmws.seeds.vote import vote

# Values of an index map below this are labels (what a transform filled in), from it on they are
# places in the source maps.
LITERALS = 256


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
    """

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
            seed[...] = UNKNOWN if path is None else _read(path, lookup, results)
        results['seed_present'] = np.array([path is not None for path in paths])
        results['seg_fields'].append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def set_seeds(results: dict, num_seeds: int, size: tuple[int, int]) -> np.ndarray:
    """Give a sample an index map of the identity, and room for K seeds.

    Returns:
        (K, H, W) uint8, the seeds, to be filled: a view of the sample's ``seed_table``.
    """
    height, width = size
    # The labels stand before the pixels, so that an index map is looked up without a branch.
    table = np.empty((num_seeds, LITERALS + height * width), np.uint8)
    table[:, :LITERALS] = np.arange(LITERALS)
    index = np.arange(LITERALS, LITERALS + height * width, dtype=np.int32)
    results['gt_seg_map'] = index.reshape(height, width)
    results['seed_table'] = table
    results.pop('vote_table', None)
    return table[:, LITERALS:].reshape(num_seeds, height, width)


def look_up(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Look an index map up in the source maps.

    Args:
        table: (K, 256 + P) or (256 + P,) uint8, the 256 labels and then the P source pixels.
        index: (H, W) integers into the last axis of ``table``.

    Returns:
        (K, H, W) or (H, W) uint8.
    """
    return np.take(table, index.astype(np.intp), axis=-1)


def vote_table(results: dict) -> np.ndarray:
    """The majority vote of a sample's source maps, (256 + P,) uint8, as ``seed_table`` has them."""
    if 'vote_table' not in results:
        table = results['seed_table']
        results['vote_table'] = np.concatenate(
            [table[0, :LITERALS], vote(table[:, None, LITERALS:])[0]]
        )
    return results['vote_table']


def label_lookup(info: dict) -> np.ndarray:
    """The label that each stored value stands for, (256,) uint8.

    As stock LoadAnnotations has it, ``reduce_zero_label`` and then ``label_map``; the dataset's
    ``ignore_index`` becomes 255.
    """
    table = np.arange(256)
    if info.get('reduce_zero_label'):
        table = np.where((table == 0) | (table == UNKNOWN), UNKNOWN, table - 1)
    renamed = table.copy()
    for old, new in (info.get('label_map') or {}).items():
        renamed[table == old] = new
    renamed[renamed == info.get('ignore_index', UNKNOWN)] = UNKNOWN
    return renamed.astype(np.uint8)


def _read(path: str, lookup: np.ndarray, results: dict) -> np.ndarray:
    labels = read_label_map(path)
    height, width = results['img'].shape[:2]
    if labels.shape != (height, width):
        raise ValueError(
            f'seed {path} is {labels.shape[1]}x{labels.shape[0]} (width x height), its image '
            f'{results.get("img_path")} is {width}x{height}. Seeds are label maps of the whole '
            'image at its own size: write them at that size (nearest neighbour).'
        )
    if (lookup[:-1] != np.arange(UNKNOWN)).any():
        labels = lookup[labels]
    num_classes = results.get('num_classes')
    # 255 wraps to 0: one comparison for "below num_classes, or unknown".
    if num_classes is not None and int((labels + np.uint8(1)).max(initial=0)) > num_classes:
        wrong = np.unique(labels[(labels >= num_classes) & (labels != UNKNOWN)])
        raise ValueError(
            f'seed {path} holds the labels {wrong.tolist()[:8]}, but the dataset has '
            f'{num_classes} classes: 0..{num_classes - 1}, and 255 for unknown. Is it a map of '
            'class ids of this dataset? Another label that does not count is named to the dataset '
            f'and the head as ignore_index (here {results.get("ignore_index", UNKNOWN)}).'
        )
    return labels
