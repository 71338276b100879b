"""Random resizing relative to an image's own size, for both stages."""

from __future__ import annotations

import numpy as np
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize


class RandomRelativeResize(Resize):
    """Resize the image and its label maps by one random factor, DeepLab's scale augmentation.

    mmcv's ``RandomResize`` scales relative to one fixed size for all images; here the factor is
    relative to the size of the image at hand, so that objects keep their mixture of sizes. It is
    registered under this name in mmseg and in mmpretrain. Keys are those of mmseg's ``Resize``.

    Args:
        ratio_range: Lowest and highest factor; drawn uniformly between them.
        **kwargs: As in mmseg's ``Resize``: ``interpolation`` of the image; label maps take the
            nearest pixel.
    """

    def __init__(self, ratio_range: tuple[float, float] = (0.5, 1.5), **kwargs):
        super().__init__(scale_factor=1.0, **kwargs)
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(
                f'RandomRelativeResize: ratio_range must be 0 < low <= high; got '
                f'{tuple(ratio_range)}.'
            )
        self.ratio_range = (low, high)

    @cache_randomness
    def _factor(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        """Resize one sample."""
        self.scale_factor = (self._factor(),) * 2
        return super().transform(results)
