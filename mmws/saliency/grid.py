"""Locate the cells of feature maps in the image, and sample between such grids."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Grid(NamedTuple):
    """Along each axis the centre of cell i lies at pixel ``stride * i + offset`` of the image.

    The image itself is ``Grid(1, 0)``.
    """

    stride: float
    offset: float


IMAGE_GRID = Grid(1, 0)


def resample(x: torch.Tensor, source: Grid, target: Grid, size: tuple[int, int]) -> torch.Tensor:
    """Interpolate maps (N, C, h, w) bilinearly at the (H, W) cells of another grid.

    It is what a fixed bilinear deconvolution and a crop do in Caffe, whose crop finds its offset
    from the same geometry (and rounds halves, which this does not). Positions beyond the outermost
    cells take the value of those, where the deconvolution fades to 0.
    """
    rows, columns = (
        _weights(cells, wanted, source, target).to(x)
        for cells, wanted in zip(x.shape[2:], size, strict=True)
    )
    return rows @ x @ columns.T


def _weights(cells: int, wanted: int, source: Grid, target: Grid) -> torch.Tensor:
    """Build (wanted, cells): weights of the two cells nearest to each target's centre."""
    pixels = target.stride * torch.arange(wanted, dtype=torch.float64) + target.offset
    position = ((pixels - source.offset) / source.stride).clamp(0, cells - 1)
    distance = position[:, None] - torch.arange(cells, dtype=torch.float64)
    return (1 - distance.abs()).clamp(min=0)
