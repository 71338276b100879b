"""Follows through a training how much weight the right labels get; for data with ground truth."""

from __future__ import annotations

import torch
from mmengine.dist import is_main_process
from mmengine.registry import HOOKS

from mmws.evaluation.seed_trust import right_weight_shares, right_weight_sums

from .wst_visualization_hook import WSTVisualizationHook


@HOOKS.register_module()
class RightWeightHook(WSTVisualizationHook):
    """Measure with the ground truth of training images what WST makes of their seeds.

    For studies on data that have both: nothing learns from the ground truth. Logged are the shares
    of weight on right labels over all pixels (``right_weight/pixels``) and as the mean over the
    classes (``right_weight/classes``), and the same for equal weights, with ``_plain`` after the
    name, which never change. Where a share falls below its plain one, the model confirms its own
    errors. The images are whole and without augmentation; the training is not changed.

    Args:
        gt_dir, interval, num_images: As in :class:`WSTVisualizationHook`; it measures at the start,
            too.

    Example:
        >>> custom_hooks = [
        ...     dict(type='mmengine.RightWeightHook', gt_dir='data/shapes/SegmentationClassAug')]
    """

    priority = 'NORMAL'

    def __init__(self, *, gt_dir: str, interval: int = 100, num_images: int = 50):
        super().__init__(interval=interval, num_images=num_images, gt_dir=gt_dir)

    def before_train(self, runner) -> None:
        super().before_train(runner)
        if is_main_process():
            self.look(runner, runner.iter)

    def look(self, runner, step: int) -> None:
        sums = {'': 0, '_plain': 0}
        for index in self._images:
            seen = self._view.weigh(runner.model, index)
            weights = seen.view.weights
            for ending, compared in (('', weights), ('_plain', torch.ones_like(weights))):
                sums[ending] += right_weight_sums(compared, seen.view, seen.gt[None])
        scalars = {}
        for ending, summed in sums.items():
            pixels, classes = right_weight_shares(summed)
            scalars[f'right_weight/pixels{ending}'] = pixels
            scalars[f'right_weight/classes{ending}'] = classes
        runner.visualizer.add_scalars(scalars, step=step)
