"""Loading K label maps of one image into mmseg's pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmws.files.label_map import read_label_map
from mmws.seeds.vote import vote

UNKNOWN = 255
LAYOUTS = ('index', 'maps')
# Values of an index map below this are literal labels (what a transform filled in), above it they
# are places in the source maps.
LITERALS = 256


@TRANSFORMS.register_module()
class LoadMultiSeedAnnotations(BaseTransform):
    """Loads the K seeds of an image; stands where ``LoadAnnotations`` stands in a pipeline.

    The seeds travel in one of two layouts:

    * ``'index'``: ``gt_seg_map`` is an (H, W) int32 map of *where each pixel came from*. Every
      transform that moves a label map moves it, whether mmseg's, mmcv's or another library's, and
      the K seeds are looked up once at the end, by :class:`PackMultiSeedInputs`. Geometry costs
      what it costs for one label map. Values below 256 are labels that a transform filled in
      (padding, cut-outs) and hold for all seeds.
    * ``'maps'``: ``gt_seg_map`` is the majority vote and each seed is an (H, W) uint8 map of its
      own, ``gt_seed_000`` and so on, listed in ``seg_fields``. For transforms that mix several
      images (Mosaic) or that read label values and are not known to mmws.

    :class:`MultiSeedDataset` picks the layout for a stock pipeline.

    Required keys: ``img`` (its size is checked), ``seed_paths`` (K paths, None where an image lacks
    the seed), ``seg_fields``; optional ``reduce_zero_label``, ``label_map`` and ``num_classes``, as
    the dataset sets them.

    Added keys: ``gt_seg_map``; ``seed_table`` or ``gt_seed_000``...; ``seed_present`` ((K,) bool).

    Args:
        layout: ``'index'`` or ``'maps'``.
    """

    def __init__(self, *, layout: str = 'index'):
        if layout not in LAYOUTS:
            raise ValueError(f'layout must be one of {", ".join(LAYOUTS)}; got {layout!r}.')
        self.layout = layout

    def transform(self, results: dict) -> dict:
        """Adds the seeds.

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
        height, width = results['img'].shape[:2]
        lookup = _lookup_table(results)
        # The first 256 entries of a row are the literal labels, the pixels follow: so that the
        # index map needs no branch when it is resolved.
        table = np.empty((len(paths), LITERALS + height * width), np.uint8)
        table[:, :LITERALS] = np.arange(LITERALS)
        seeds = table[:, LITERALS:].reshape(len(paths), height, width)
        for seed, path in zip(seeds, paths, strict=True):
            seed[...] = (
                UNKNOWN if path is None else self._read(path, (height, width), lookup, results)
            )
        results['seed_present'] = np.array([path is not None for path in paths])
        if self.layout == 'index':
            index = np.arange(LITERALS, LITERALS + height * width, dtype=np.int32)
            results['gt_seg_map'] = index.reshape(height, width)
            results['seed_table'] = table
            results['seg_fields'].append('gt_seg_map')
        else:
            results['gt_seg_map'] = vote(seeds)
            results['seg_fields'].append('gt_seg_map')
            for key, seed in zip(seed_keys(len(paths)), seeds, strict=True):
                results[key] = seed
                results['seg_fields'].append(key)
        return results

    @staticmethod
    def _read(
        path: str | Path, size: tuple[int, int], lookup: np.ndarray | None, results: dict
    ) -> np.ndarray:
        labels = read_label_map(path)
        if labels.shape != size:
            raise ValueError(
                f'seed {path} is {labels.shape[1]}x{labels.shape[0]} (width x height), its image '
                f'{results.get("img_path")} is {size[1]}x{size[0]}. Seeds are label maps of the '
                'whole image at its own size: write them at that size (nearest neighbour).'
            )
        if lookup is not None:
            labels = lookup[labels]
        num_classes = results.get('num_classes')
        # 255 wraps to 0: one comparison for "below num_classes, or unknown".
        if num_classes is not None and num_classes < UNKNOWN:
            highest = int((labels + np.uint8(1)).max(initial=0))
            if highest > num_classes:
                wrong = np.unique(labels[(labels >= num_classes) & (labels != UNKNOWN)])
                raise ValueError(
                    f'seed {path} holds the labels {wrong.tolist()[:8]}, but the dataset has '
                    f'{num_classes} classes: 0..{num_classes - 1}, and 255 for unknown. Is it '
                    'a map of class ids of this dataset?'
                )
        return labels

    def __repr__(self) -> str:
        return f'{type(self).__name__}(layout={self.layout!r})'


def seed_keys(num_seeds: int) -> list[str]:
    """The keys of the K maps in layout ``'maps'``."""
    return [f'gt_seed_{k:03d}' for k in range(num_seeds)]


def resolve_index(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Looks an index map up in the source maps.

    Args:
        table: (K, 256 + P) or (256 + P,) uint8, the literal labels and then the P source pixels.
        index: (H, W) int32 into the last axis of ``table``.

    Returns:
        (K, H, W) or (H, W) uint8.
    """
    return np.take(table, index.astype(np.intp), axis=-1)


def _lookup_table(results: dict) -> np.ndarray | None:
    """What stock LoadAnnotations does to the ids, ``reduce_zero_label`` and then ``label_map``, as
    one table of 256 entries; None where it is the identity."""
    label_map = results.get('label_map')
    if not results.get('reduce_zero_label') and label_map is None:
        return None
    table = np.arange(256)
    if results.get('reduce_zero_label'):
        table = np.where((table == 0) | (table == UNKNOWN), UNKNOWN, table - 1)
    if label_map is not None:
        renamed = table.copy()
        for old, new in label_map.items():
            renamed[table == old] = new
        table = renamed
    return table.astype(np.uint8)
