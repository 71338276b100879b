"""mmseg's RandomRotFlip for label maps."""

from __future__ import annotations

import mmcv
import numpy as np
from mmseg.datasets.transforms import RandomRotFlip


class RotateFlipLabels(RandomRotFlip):
    """mmseg's ``RandomRotFlip`` with label maps rotated by nearest neighbour.

    mmseg interpolates between class ids (the rim between classes 0 and 15 becomes classes 1 to 14)
    and calls what rotates into the image background. Here no new labels appear, and the corners are
    unknown. :class:`MultiSeedDataset` puts this in the original's place.
    """

    def random_rotate(self, results: dict) -> dict:
        angle = np.random.uniform(min(*self.degree), max(*self.degree))
        results['img'] = mmcv.imrotate(results['img'], angle=angle)
        for key in results.get('seg_fields', []):
            results[key] = mmcv.imrotate(
                results[key], angle=angle, border_value=255, interpolation='nearest'
            )
        return results
