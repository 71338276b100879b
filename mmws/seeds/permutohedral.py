"""Gaussian filtering on the permutohedral lattice (Adams, Baek & Davis 2010), as sparse matrices.

Points of d features lie in the simplices of a lattice whose vertices have d + 1 integer
coordinates that sum to 0. The values of the points are splatted onto the vertices of their
simplices by barycentric weights, blurred along the d + 1 directions of the lattice, and sliced at
the points by the same weights. Each step sums a few weighted rows for every row of its result, for
all channels at once: ``embedding_bag``, on CPU and GPU.

The lattice is that of DenseCRF (Kraehenbuehl & Koltun 2011): float32 operations in the same order
say which simplex a point lies in.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

# Multipliers of a hash, for coordinates too large to be the digits of a 63-bit number.
_HASH = (0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9, 0x14D049BB133111EB, 0x2545F4914F6CDD1D)


class SparseMatrix(NamedTuple):
    """A sparse matrix of R rows.

    Attributes:
        columns: (R, k) int32, k entries a row; or (n,), the entries of all rows in turn.
        weights: As ``columns``, float32.
        starts: (R,) int32, where the rows start if ``columns`` is (n,).
    """

    columns: Tensor
    weights: Tensor
    starts: Tensor | None = None

    def __matmul__(self, values: Tensor) -> Tensor:
        """The product with (columns, channels) float32: (R, channels)."""
        return embedding_bag(
            self.columns, values, self.starts, mode='sum', per_sample_weights=self.weights
        )

    def rows(self, some: slice) -> SparseMatrix:
        """Some of its rows; not with ``starts``."""
        return SparseMatrix(self.columns[some], self.weights[some])


class Lattice(NamedTuple):
    """A Gaussian filter of N points: ``slice @ blurs[d] @ ... @ blurs[0] @ splat``."""

    splat: SparseMatrix
    blurs: list[SparseMatrix]
    slice: SparseMatrix

    def blur(self, values: Tensor) -> Tensor:
        """All of the filter but the slice: (N, channels) -> (vertices, channels)."""
        for matrix in (self.splat, *self.blurs):
            values = matrix @ values
        return values


def normalized_lattice(points: Tensor, reach: Sequence[float], factor: float = 1) -> Lattice:
    """Build the Gaussian filter of some points, with DenseCRF's symmetric normalization.

    The points are (d, N) float32, d <= 5, ``reach`` (d,) the filter's standard deviations; the
    result of the filter is multiplied by ``factor``.
    """
    # A number would be inverted first on a GPU, and rounded differently.
    features = points / torch.tensor(reach, dtype=points.dtype, device=points.device).unsqueeze(1)
    splat, blurs, slice_ = lattice = build_lattice(features)
    ones = torch.ones_like(features[0]).unsqueeze(1)
    # DenseCRF divides by 1 + 2^-d, which cancels out in all but this tiny number.
    scale = (slice_ @ lattice.blur(ones)).squeeze(1).add_(1e-20).rsqrt_()
    splat.weights.mul_(scale.index_select(0, splat.columns))
    slice_.weights.mul_(scale.mul_(factor).unsqueeze(1))
    return lattice


def build_lattice(features: Tensor) -> Lattice:
    """Build the filter of points (d, N) float32, in standard deviations, not normalized."""
    d, count = features.shape
    # DenseCRF takes four points at a time and fills the last ones up with zeros. Nothing is
    # splatted from there, but the vertices around zero exist and pass on what others blur.
    nearest, order, residuals = _simplices(pad(features, (0, 1 if count % 4 else 0)))
    residuals /= d + 1
    weights = residuals.new_empty(residuals.shape[1], d + 1)
    weights[:, 0] = 1 - residuals[0] + residuals[-1]
    weights[:, 1:] = (residuals[:-1] - residuals[1:]).T
    weights[count:] = 0
    keys, steps, most = _keys(nearest, order)
    keys, corners = _sorted(keys, most)
    vertices, vertex, counts = keys.unique_consecutive(return_inverse=True, return_counts=True)
    splat = SparseMatrix(
        corners.int().div_(d + 1, rounding_mode='floor').clamp_(max=count - 1),
        weights.flatten().index_select(0, corners),
        (counts.cumsum(0) - counts).int(),
    )
    columns = torch.empty_like(weights, dtype=torch.int32)
    columns.view(-1).scatter_(0, corners, vertex.int())
    return Lattice(splat, _blurs(vertices, steps), SparseMatrix(columns[:count], weights[:count]))


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the simplex of each point of (d, N) float32, as DenseCRF does.

    It is given by three (d + 1, N): the nearest point whose coordinates are multiples of d + 1,
    float32; the coordinates' indices by descending residual, int8; the residuals in that order.
    """
    d = len(features)
    deviation = torch.tensor(sqrt(2 / 3) * (d + 1), dtype=torch.float32).item()
    partial = torch.zeros_like(features[0])
    position = [partial] * (d + 1)
    for j in range(d, 0, -1):
        scaled = features[j - 1] * torch.tensor(deviation / sqrt(j * (j + 1)), dtype=torch.float32)
        position[j] = partial - j * scaled
        partial = partial + scaled
    position[0] = partial
    position = torch.stack(position)
    nearest = (position * torch.tensor(1 / (d + 1), dtype=torch.float32)).round_().mul_(d + 1)
    residual = position.sub_(nearest)
    order = torch.arange(d + 1, dtype=torch.int8, device=features.device).unsqueeze(1)
    order = order.repeat(1, residual.shape[1])
    for last in range(d, 0, -1):  # bubble sort: of equal residuals the first stays first
        for here, there in pairwise(range(last + 1)):
            # Swaps by exclusive or, because torch.where is slow.
            swap = (residual[here] < residual[there]).view(torch.int8).neg()
            change = swap & (order[here] ^ order[there])
            order[here] ^= change
            order[there] ^= change
            higher = torch.maximum(residual[here], residual[there])
            torch.minimum(residual[here], residual[there], out=residual[there])
            residual[here] = higher
    return nearest, order, residual


def _keys(nearest: Tensor, order: Tensor) -> tuple[Tensor, Tensor, int]:
    """Names the vertices of simplices by numbers that are linear in their coordinates.

    Returns:
        (d + 1, N) int64, the keys of each simplex's vertices; (d + 1,) what a step in each
        direction adds to a key; and a bound of the keys, which start from 0 or more, or 0 where
        they may be any number.
    """
    d = len(nearest) - 1
    # Digits of a number: d coordinates; the last follows from them. In each of them the vertices of
    # a simplex lie at most d + 1 from its nearest point, and their neighbours as far again.
    spans = (nearest[:d].amax(1) - nearest[:d].amin(1) + 4 * (d + 1)).long().tolist()
    most = prod(spans)
    multipliers = [prod(spans[:i]) for i in range(d)]
    if most >= 1 << 62:
        most, multipliers = 0, [1, *_HASH]
    multipliers = torch.tensor([*multipliers, 0], device=nearest.device)
    ones = multipliers.sum()
    keys = torch.empty_like(nearest, dtype=torch.int64)
    keys[0] = (nearest.sum(0) / -(d + 1)).long().mul_(ones)
    for coordinates, multiplier in zip(nearest[:d], multipliers, strict=False):
        keys[0] += coordinates.long().mul_(multiplier)
    steps = (d + 1) * multipliers - ones
    for i in range(d):
        torch.add(keys[i], steps.index_select(0, order[i].int()), out=keys[i + 1])
    if most:
        keys -= keys.min()
    return keys, steps, most


def _sorted(keys: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Sort corners by their vertices.

    Of the (d + 1, N) int64 keys, overwritten, and their bound, see :func:`_keys`, it is two
    (N * (d + 1),) int64: the keys, and which corner of which point, point * (d + 1) + i.
    """
    size, count = keys.shape
    corners = torch.arange(0, count * size, size, device=keys.device)
    corners = corners + torch.arange(size, device=keys.device).unsqueeze(1)
    keys, corners = keys.view(-1), corners.view(-1)
    bits = len(keys).bit_length()
    if keys.device.type != 'cpu' or not 0 < most < 1 << 63 - bits:
        keys, order = keys.sort(stable=True)
        return keys, corners.index_select(0, order)
    # One number for both: numpy's sort is several times as fast as torch's, and as an argsort.
    keys.bitwise_left_shift_(bits).bitwise_or_(corners)
    keys.numpy().sort()
    torch.bitwise_and(keys, (1 << bits) - 1, out=corners)
    return keys.bitwise_right_shift_(bits), corners


def _blurs(vertices: Tensor, steps: Tensor) -> list[SparseMatrix]:
    """Adds half of both neighbours, where they exist, to each vertex, direction by direction."""
    here = torch.arange(len(vertices), device=vertices.device)
    blurs = []
    for step in steps:
        neighbours = vertices + step
        after = torch.searchsorted(vertices, neighbours).clamp_(max=len(vertices) - 1)
        found = vertices.index_select(0, after) == neighbours
        # Whose neighbour a vertex is, is its neighbour on the other side.
        columns, weights = torch.stack([here, after, here], 1), after.new_zeros(len(here), 3)
        weights[:, 0] = 2
        weights[:, 1] = found
        after, before = after[found], here[found]
        columns[after, 2] = before
        weights[after, 2] = 1
        blurs.append(SparseMatrix(columns.int(), weights.float().div_(2)))
    return blurs
