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
    blurs: tuple[SparseMatrix, ...]
    slice: SparseMatrix

    def blur(self, values: Tensor) -> Tensor:
        """All of the filter but the slice: (N, channels) -> (vertices, channels)."""
        values = self.splat @ values
        for blur in self.blurs:
            values = blur @ values
        return values

    def scale(self, points: Tensor, factor: float) -> Lattice:
        """The filter ``factor * diag(points) @ self @ diag(points)``."""
        splat, slice_ = self.splat, self.slice
        return Lattice(
            splat._replace(weights=splat.weights * points.index_select(0, splat.columns)),
            self.blurs,
            slice_._replace(weights=slice_.weights * (factor * points).unsqueeze(1)),
        )


def normalized_lattice(points: Tensor, reach: Sequence[float], factor: float = 1) -> Lattice:
    """Builds the Gaussian filter of some points, with DenseCRF's symmetric normalization.

    Args:
        points: (d, N) float32, d <= 5.
        reach: (d,) the filter's standard deviations.
        factor: The result is multiplied by it.
    """
    # A number would be inverted first on a GPU, and rounded differently.
    features = points / torch.tensor(reach, dtype=points.dtype, device=points.device).unsqueeze(1)
    lattice = build_lattice(features)
    ones = torch.ones_like(features[0]).unsqueeze(1)
    total = (lattice.slice @ lattice.blur(ones)).squeeze(1)
    # DenseCRF divides by 1 + 2^-d, which cancels out in all but this tiny number.
    return lattice.scale((total + 1e-20).rsqrt(), factor)


def build_lattice(features: Tensor) -> Lattice:
    """Builds the filter of some points, not normalized.

    Args:
        features: (d, N) float32, d <= 5, divided by the filter's standard deviations.
    """
    d, count = features.shape
    # DenseCRF takes four points at a time and fills the last ones up with zeros. Nothing is
    # splatted from there, but the vertices around zero exist and pass on what others blur.
    nearest, order, residuals = _simplices(pad(features, (0, 1 if count % 4 else 0)))
    keys, steps, most = _keys(nearest, order)
    weights = residuals.new_empty(*keys.shape)
    residuals = residuals / (d + 1)
    weights[:, 0] = 1 - residuals[0] + residuals[-1]
    weights[:, 1:] = (residuals[:-1] - residuals[1:]).T
    weights[count:] = 0

    # Corners of simplices in the order of their vertices.
    bits = keys.numel().bit_length()
    hashed = None
    if most << bits >= 1 << 63:
        hashed, keys = keys.unique(return_inverse=True)
    corners = torch.arange(keys.numel(), device=keys.device).view_as(keys)
    corners = _sorted((keys << bits | corners).flatten())
    vertices, vertex, counts = (corners >> bits).unique_consecutive(
        return_inverse=True, return_counts=True
    )
    if hashed is not None:
        vertices = hashed
    corners &= (1 << bits) - 1
    splat = SparseMatrix(
        corners.int().div_(d + 1, rounding_mode='floor').clamp_(max=count - 1),
        weights.flatten().index_select(0, corners),
        (counts.cumsum(0) - counts).int(),
    )
    columns = vertex.new_empty(keys.numel(), dtype=torch.int32)
    columns.scatter_(0, corners, vertex.int())
    slice_ = SparseMatrix(columns.view_as(keys)[:count], weights[:count])
    return Lattice(splat, tuple(_blur(vertices, step) for step in steps), slice_)


def _simplices(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the simplex of each point, as DenseCRF does.

    Args:
        features: (d, N) float32.

    Returns:
        (d + 1, N) each: the nearest point whose coordinates are multiples of d + 1, float32; the
        coordinates' indices by descending residual, int8; the residuals in that order, float32.
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


def _keys(nearest: Tensor, order: Tensor) -> tuple[Tensor, list[int], int]:
    """Names the vertices of simplices by numbers that are linear in their coordinates.

    Returns:
        (N, d + 1) int64, the keys; what a step in each of the d + 1 directions adds to a key; and
        a bound of the keys, which start from 0 or more.
    """
    d = len(nearest) - 1
    # Digits of a number: d coordinates; the last follows from them. In each of them the vertices of
    # a simplex lie at most d + 1 from its nearest point, and their neighbours as far again.
    spans = (nearest[:d].amax(1) - nearest[:d].amin(1) + 4 * (d + 1)).long().tolist()
    most = prod(spans)
    multipliers = [prod(spans[:i]) for i in range(d)]
    if most >= 1 << 62:
        multipliers = [1, *_HASH]
    step = sum(multipliers)
    multipliers = torch.tensor([*multipliers, 0], device=nearest.device)
    key = -(nearest.sum(0) / (d + 1)).long() * step
    for coordinates, multiplier in zip(nearest, multipliers, strict=True):
        key += coordinates.long() * multiplier
    jumps = (d + 1) * multipliers - step
    keys = [key]
    for index in order[:-1]:
        keys.append(keys[-1] + jumps.index_select(0, index.int()))
    keys = torch.stack(keys, 1)
    keys -= keys.min()
    return keys, jumps.tolist(), most


def _blur(vertices: Tensor, step: int) -> SparseMatrix:
    """Half of both neighbours in one direction is added to each vertex, where they exist."""
    there = torch.searchsorted(vertices, vertices + step).clamp_(max=len(vertices) - 1)
    exists = vertices.index_select(0, there) == vertices + step
    here = torch.arange(len(vertices), device=vertices.device)
    columns = here.int().unsqueeze(1).repeat(1, 3)
    weights = torch.tensor([1, 0, 0], dtype=torch.float32, device=vertices.device)
    weights = weights.repeat(len(vertices), 1)
    for column, (one, other) in enumerate(((here, there), (there, here)), 1):
        columns[one[exists], column] = other[exists].int()
        weights[one[exists], column] = 0.5
    return SparseMatrix(columns, weights)


def _sorted(values: Tensor) -> Tensor:
    """Sorts (n,) in place; numpy is several times as fast as torch on a CPU."""
    if values.device.type == 'cpu':
        values.numpy().sort()
        return values
    return values.sort().values
