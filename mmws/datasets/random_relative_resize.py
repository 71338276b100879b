"""Random resizing of an image and its label maps relative to the image's own size."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRelativeResize(BaseTransform):
    """Resizes the image and its label maps by one random factor, DeepLab's scale augmentation.

    mmcv's ``RandomResize`` scales relative to one fixed size for all images; here the factor is
    relative to the size of the image at hand, so that objects keep their mixture of sizes. Stage
    one has the same transform under the same name, for images alone, in mmpretrain's registry.

    Required keys: ``img``, and the maps in ``seg_fields``. Modified: these and ``img_shape``.
    Added: ``scale``, ``scale_factor``, ``keep_ratio``.

    Args:
        ratio_range: Lowest and highest factor; drawn uniformly between them.
        **resize_kwargs: Of mmseg's ``Resize`` (``interpolation``, ``backend``).
    """

    def __init__(self, ratio_range: tuple[float, float] = (0.5, 1.5), **resize_kwargs):
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(f'ratio_range must be 0 < low <= high; got {tuple(ratio_range)}.')
        self.ratio_range = (low, high)
        self.resize = Resize(scale=(1, 1), keep_ratio=False, **resize_kwargs)

    @cache_randomness
    def _factor(self) -> float:
        return np.random.uniform(*self.ratio_range)

    def transform(self, results: dict) -> dict:
        """Resizes one sample."""
        factor = self._factor()
        height, width = results['img'].shape[:2]
        self.resize.scale = (max(round(width * factor), 1), max(round(height * factor), 1))
        return self.resize(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(ratio_range={self.ratio_range})'
