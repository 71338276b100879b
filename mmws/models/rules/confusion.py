"""Confusion matrices of the seeds, learned together with the network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmws.seeds.dawid_skene import rows_of

from ..wst_weights import SeedView
from .rule import RULES, LearningRule, flatten


@RULES.register_module(name='confusion')
class Confusion(LearningRule):
    """Learn what each seed makes of each class: minimise sum_k -log (A_k^T p)[y_k] + trace A_k.

    A_k[c, l] is how probable it is that seed k says l where c is true. The gradient of the first
    term by the logits is that of the cross entropy against the soft label ::

        q = mean over k of q_k,  q_k(c) ~ p(c) A_k[c, y_k]

    which is what the loss learns. The trace is kept small so that the matrices take up the errors
    and the network does not. Source: Tanno et al., Learning From Noisy Labels By Regularized
    Estimation Of Annotator Confusion (CVPR 2019, arXiv 1902.03680). There the matrices follow their
    gradient; here they are the minimum for the running counts of q_k against y_k, and the rows of
    the trace count by the share of their class, since those of segmentation differ a hundredfold.

    Args:
        trace: The factor of the trace, >= 0; .1 in the source.
        accuracy: The diagonal of each A_k before anything is counted.
        momentum: Of the running counts: they remember about 1 / momentum batches.
    """

    def __init__(self, trace: float = 0.1, accuracy: float = 0.8, momentum: float = 0.02):
        super().__init__(momentum)
        if not (trace >= 0 and 0 < accuracy < 1):
            raise ValueError(
                f'trace must be >= 0 and accuracy in (0, 1); got {trace} and {accuracy}.'
            )
        self.trace = trace
        self.accuracy = accuracy

    def forward(self, view: SeedView) -> SeedView:
        part = flatten(view)
        tables = self.matrices(part.seeds.shape[1], part.logits)
        weights = part.counts & part.known
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1)
        p = part.logits.softmax(1)
        weights = weights / self._said(p, part.seeds, tables)
        images, num_classes, _ = p.shape
        rows = rows_of(part.seeds, part.known, num_classes).flatten(0, 1)
        table = tables.transpose(1, 2).reshape(-1, num_classes).repeat(images, 1)
        table = torch.cat([table, table.new_zeros(1, num_classes)])
        per_row = weights.transpose(1, 2).flatten(0, 1)
        likely = F.embedding_bag(rows, table, mode='sum', per_sample_weights=per_row)
        q = p * likely.view(images, -1, num_classes).transpose(1, 2)
        return self.soft(view, q.reshape(view.logits.shape))

    def count(self, part: SeedView) -> dict[str, Tensor]:
        tables = self.matrices(part.seeds.shape[1], part.logits)
        p = part.logits.softmax(1).transpose(1, 2).flatten(0, 1)
        counts = torch.zeros_like(tables)
        for table, count, seed, known in zip(
            tables, counts, part.seeds.unbind(1), part.known.unbind(1), strict=True
        ):
            labels = seed[known]
            q = p[known.flatten()] * table.T[labels.long()]
            count.T.index_add_(0, labels.int(), q / q.sum(1, keepdim=True))
        return dict(counts=counts)

    def matrices(self, num_seeds: int, like: Tensor) -> Tensor:
        """Return A (K, C, L) float32, rows with the sum 1."""
        num_classes = like.shape[1]
        guess = like.new_full((num_classes, num_classes), (1 - self.accuracy) / (num_classes - 1))
        guess.fill_diagonal_(self.accuracy)
        counts = self.state.get('counts', guess.expand(num_seeds, -1, -1))
        counts = counts + 1e-3 * counts.sum((1, 2), keepdim=True) * guess
        shares = counts / counts.sum(2, keepdim=True)
        # Of -sum_l n_l log A_l + trace A_c with sum_l A_l = 1 the minimum is A_l = n_l / mu for
        # l != c and A_c = n_c / (mu + trace); the sum makes mu the root of a quadratic.
        right = shares.diagonal(dim1=1, dim2=2)
        half = (1 - self.trace) / 2
        mu = half + (half**2 + self.trace * (1 - right)).sqrt()
        tables = shares / mu.unsqueeze(2)
        tables.diagonal(dim1=1, dim2=2).copy_(right / (mu + self.trace))
        return tables

    @staticmethod
    def _said(p: Tensor, seeds: Tensor, tables: Tensor) -> Tensor:
        """Return (N, K, P), how probable it is that each seed says what it says: (A_k^T p)[y_k]."""
        said = [
            torch.einsum('ncp,cl->nlp', p, table).gather(1, seed.long().unsqueeze(1))
            for table, seed in zip(tables, seeds.unbind(1), strict=True)
        ]
        return torch.cat(said, 1).clamp(min=torch.finfo(p.dtype).tiny)
