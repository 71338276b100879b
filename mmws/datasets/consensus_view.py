"""Label values for the transforms that read them."""

from __future__ import annotations

from mmcv.transforms import BaseTransform

from mmws.seeds.vote import vote

from .load_multi_seed_annotations import LITERALS, resolve_index


class ConsensusView(BaseTransform):
    """Runs a transform that reads label values (``cat_max_ratio``, edges) on the majority vote.

    In layout ``'index'`` ``gt_seg_map`` holds places, not labels. For the duration of the wrapped
    transform it is the seeds' majority vote, and the index map moves along beside it.
    :class:`MultiSeedDataset` puts this around the transforms that need it.
    """

    def __init__(self, inner: BaseTransform):
        self.inner = inner

    def transform(self, results: dict) -> dict:
        if 'seed_table' not in results:
            return self.inner(results)
        if 'consensus_table' not in results:
            table = results['seed_table']
            consensus = table[0].copy()
            consensus[LITERALS:] = vote(table[:, None, LITERALS:])[0]
            results['consensus_table'] = consensus
        fields = results['seg_fields']
        results['gt_seed_index'] = results['gt_seg_map']
        results['gt_seg_map'] = resolve_index(results['consensus_table'], results['gt_seg_map'])
        results['seg_fields'] = [*fields, 'gt_seed_index']
        results = self.inner(results)
        results['gt_seg_map'] = results.pop('gt_seed_index')
        results['seg_fields'] = fields
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.inner!r})'
