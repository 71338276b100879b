import pytest
import torch
import torch.nn.functional as F

from mmws.saliency.grid import IMAGE_GRID, Grid, resample


def test_two_cells_by_hand():
    """Cells at pixels 1 and 5 with values 0 and 8: slope 2 between them, constant outside."""
    x = torch.tensor([0.0, 8.0]).reshape(1, 1, 1, 2)
    row = resample(x, Grid(4, 1), IMAGE_GRID, (2, 8))
    assert row[0, 0].tolist() == [[0, 0, 2, 4, 6, 8, 8, 8]] * 2


@pytest.mark.parametrize('factor', [2, 4, 8, 16, 32])
def test_equals_a_bilinear_deconvolution_and_a_crop(factor):
    """Caffe's: kernel twice the stride; the crop's offset follows from the grids."""
    x = torch.randn(1, 1, 5, 6)
    ramp = 1 - (torch.arange(2 * factor) - (factor - 0.5)).abs() / factor
    up = F.conv_transpose2d(x, (ramp[:, None] * ramp)[None, None], stride=factor)
    # 2x2 poolings put cell i at factor * i + (factor - 1) / 2, the kernel puts it at
    # factor * i + (2 * factor - 1) / 2.
    crop = factor // 2
    size = (5 * factor, 6 * factor)
    ours = resample(x, Grid(factor, (factor - 1) / 2), IMAGE_GRID, size)
    theirs = up[:, :, crop : crop + size[0], crop : crop + size[1]]
    inner = (..., slice(crop, -crop), slice(crop, -crop))  # outside, theirs fades to 0
    assert torch.allclose(ours[inner], theirs[inner], atol=1e-5)
    assert torch.allclose(
        ours, F.interpolate(x, scale_factor=factor, mode='bilinear', align_corners=False), atol=1e-5
    )


def test_same_grid_changes_nothing():
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(resample(x, Grid(8, -0.5), Grid(8, -0.5), (4, 5)), x)
