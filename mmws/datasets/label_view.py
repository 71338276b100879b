"""Labels for the transforms that read them."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable

import cv2
import numpy as np
import torch

from .host_transforms import Around
from .index_map import check_index, look_up, vote_table

INDEX = 'gt_seed_index'
# OpenCV rounds the positions of bytes and of 32-bit integers differently at up to 0.02% of pixels.
_ROUNDING = 0.002


class LabelView(Around):
    """Run a transform on labels, and move the seeds as it moves them.

    For the duration of the transform ``gt_seg_map`` is the majority vote of the seeds, and the
    index map is listed beside it in ``seg_fields``.

    A foreign transform may move ``gt_seg_map`` alone. Then it runs a second time, from the same
    random state, with the index map as ``gt_seg_map``; the result counts if the image is the same
    and the index map gives the labels of the first run. So the seeds are moved as the label map
    was, or the transform is refused.

    Args:
        inner: The transform.
        moves_all: It is known to move all maps in ``seg_fields`` and to change no label.
    """

    def __init__(self, inner: Callable, *, moves_all: bool = False):
        super().__init__(inner)
        self.moves_all = moves_all

    def transform(self, results: dict) -> dict | None:
        """Run the transform.

        Raises:
            ValueError: It moves the label map in a way that the seeds cannot follow.
        """
        # Already inside a view: the container of this transform is foreign, too.
        if 'seed_table' not in results or INDEX in results:
            return self.inner(results)
        table, index, fields = vote_table(results), results['gt_seg_map'], results['seg_fields']
        if not self.moves_all:
            # Copied, for a transform may write into what it is given.
            before = {
                key: value if key.endswith('_table') else copy.copy(value)
                for key, value in results.items()
            }
            state = random.getstate(), np.random.get_state(), torch.get_rng_state()
        labels = look_up(table, index)
        results |= {'gt_seg_map': labels, INDEX: index, 'seg_fields': [*fields, INDEX]}
        after = self._run(results)
        if after is None:
            return None
        moved, seen = after.pop(INDEX, index), after['gt_seg_map']
        after['seg_fields'] = [field for field in after['seg_fields'] if field != INDEX]
        after['gt_seg_map'] = moved
        if self.moves_all:
            return after
        stayed = moved is index and np.array_equal(moved, before['gt_seg_map'])
        if _agree(seen, moved, table) and (not stayed or seen is labels):
            return after
        return self._repeat(before, state, after['img'], seen, table)

    def _run(self, results: dict) -> dict | None:
        try:
            return self.inner(results)
        except cv2.error as error:
            raise ValueError(
                f'{self._name} stops at the index map of the seeds, 32-bit integers, as it would '
                f'where labels are interpolated ({error.err}). Choose another transform.'
            ) from error

    def _repeat(
        self, before: dict, state: tuple, image: np.ndarray, seen: np.ndarray, table: np.ndarray
    ) -> dict:
        """Run on the index map what gave ``image`` and the labels ``seen``."""
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.set_rng_state(state[2])
        after = self._run(before)
        if not np.array_equal(after['img'], image):
            raise ValueError(
                f'{self._name} moves gt_seg_map alone, and not in the same way when it is repeated '
                'for the seeds: it reads labels, or draws random numbers of its own. Have it move '
                "every map in results['seg_fields'] (mmseg's transforms do)."
            )
        check_index(after['gt_seg_map'], table.size, self._name)
        if not _agree(seen, after['gt_seg_map'], table):
            raise ValueError(
                f'{self._name} changes labels of gt_seg_map, or does not move all maps in '
                "results['seg_fields'] alike, so that the seeds cannot follow. Change labels in "
                "the dataset (the classes of metainfo, reduce_zero_label) or in the seeds' files."
            )
        return after

    @property
    def _name(self) -> str:
        return getattr(self.inner, '__name__', type(self.inner).__name__)


def _agree(labels: np.ndarray, index: np.ndarray, table: np.ndarray) -> bool:
    """Whether an index map gives the labels, but for rounding."""
    if labels.shape != index.shape or index.dtype.kind not in 'iu':
        return False
    if index.size and not 0 <= index.min() <= index.max() < len(table):
        return False
    return np.count_nonzero(labels != look_up(table, index)) <= _ROUNDING * index.size
