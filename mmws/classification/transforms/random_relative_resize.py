"""Random resizing relative to an image's own size."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRelativeResize(BaseTransform):
    """Resizes an image by a random factor of its own size, both sides alike.

    mmcv's ``RandomResize`` draws around one fixed size instead, which brings small and large
    images to the same one.

    Required keys: ``img`` (H, W, 3) uint8. Modified: ``img``, ``img_shape``; added:
    ``scale_factor`` (width, height).

    Args:
        ratio_range: Lowest and highest factor; drawn uniformly between them.
        interpolation: mmcv's name of the interpolation.
    """

    def __init__(
        self, ratio_range: tuple[float, float] = (0.5, 1.5), *, interpolation: str = 'bilinear'
    ):
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(
                'RandomRelativeResize: ratio_range must be (low, high) with 0 < low <= high; got '
                f'{tuple(ratio_range)}.'
            )
        self.ratio_range = (low, high)
        self.interpolation = interpolation

    @cache_randomness
    def _ratio(self) -> float:
        return float(np.random.uniform(*self.ratio_range))

    def transform(self, results: dict) -> dict:
        ratio = self._ratio()
        height, width = results['img'].shape[:2]
        # A very thin image keeps at least one pixel.
        size = (max(1, int(width * ratio + 0.5)), max(1, int(height * ratio + 0.5)))
        results['img'] = mmcv.imresize(results['img'], size, interpolation=self.interpolation)
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (size[0] / width, size[1] / height)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(ratio_range={self.ratio_range}, '
            f'interpolation={self.interpolation!r})'
        )
