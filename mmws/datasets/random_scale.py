"""Random scaling relative to each image's own size."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resizes the image and its label maps by one random factor, DeepLab's scale augmentation.

    mmcv's ``RandomResize`` scales relative to one fixed size for all images; here the factor is
    relative to the size of the image at hand, so that objects keep their mixture of sizes.

    Required keys: ``img``, and the maps in ``seg_fields``. Modified: these and ``img_shape``.
    Added: ``scale``, ``scale_factor``, ``keep_ratio``.

    Args:
        scale_range: Lowest and highest factor; drawn uniformly between them.
        **resize_kwargs: Of mmseg's ``Resize`` (``interpolation``, ``backend``).
    """

    def __init__(self, scale_range: tuple[float, float], **resize_kwargs):
        low, high = scale_range
        if not 0 < low <= high:
            raise ValueError(f'scale_range must be 0 < low <= high; got {tuple(scale_range)}.')
        self.scale_range = (low, high)
        self.resize = Resize(scale=(1, 1), keep_ratio=False, **resize_kwargs)

    @cache_randomness
    def _factor(self) -> float:
        return np.random.uniform(*self.scale_range)

    def transform(self, results: dict) -> dict:
        """Resizes one sample."""
        factor = self._factor()
        height, width = results['img'].shape[:2]
        self.resize.scale = (max(round(width * factor), 1), max(round(height * factor), 1))
        return self.resize(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale_range={self.scale_range})'
