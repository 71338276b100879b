"""Random resizing relative to an image's own size, for both stages."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness


class RandomRelativeResize(BaseTransform):
    """Resize the image and its label maps by one random factor, DeepLab's scale augmentation.

    mmcv's ``RandomResize`` scales relative to one fixed size for all images; here the factor is
    relative to the size of the image at hand, so that objects keep their mixture of sizes. It is
    registered under this name in mmseg and in mmpretrain.

    Required keys: ``img``; the maps in ``seg_fields``, if there are any. Modified: these and
    ``img_shape``. Added: ``scale_factor`` (width, height).

    Args:
        ratio_range: Lowest and highest factor; drawn uniformly between them.
        interpolation: mmcv's name of the image's interpolation; label maps take the nearest pixel.
    """

    def __init__(
        self, ratio_range: tuple[float, float] = (0.5, 1.5), *, interpolation: str = 'bilinear'
    ):
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(
                f'RandomRelativeResize: ratio_range must be 0 < low <= high; got '
                f'{tuple(ratio_range)}.'
            )
        self.ratio_range = (low, high)
        self.interpolation = interpolation

    @cache_randomness
    def _factor(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        """Resize one sample."""
        factor = self._factor()
        height, width = results['img'].shape[:2]
        # A very thin image keeps at least one pixel.
        size = (max(round(width * factor), 1), max(round(height * factor), 1))
        results['img'] = mmcv.imresize(results['img'], size, interpolation=self.interpolation)
        for key in results.get('seg_fields', ()):
            results[key] = mmcv.imresize(results[key], size, interpolation='nearest')
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (size[0] / width, size[1] / height)
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(ratio_range={self.ratio_range}, '
            f'interpolation={self.interpolation!r})'
        )
