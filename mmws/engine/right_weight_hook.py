"""Follows through a training how much weight the right labels get; for data with ground truth."""

from __future__ import annotations

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmws.evaluation.right_weight import right_weight_shares, right_weight_sums
from mmws.visualization.wst_view import WSTView, spread


@HOOKS.register_module()
class RightWeightHook(Hook):
    """Measures with the ground truth of training images what WST makes of their seeds.

    For studies on data that have both: nothing learns from the ground truth. Logged are the shares
    of weight on right labels over all pixels (``right_weight/pixels``) and as the mean over the
    classes (``right_weight/classes``), and the same for equal weights, with ``_plain`` after the
    name, which never change. Where a share falls below its plain one, the model confirms its own
    errors.

    The images are whole and without augmentation; the training is not changed.

    Args:
        gt_dir: Folder of ground-truth label maps, named as the seeds are.
        interval: Measure every so many iterations.
        num_images: On how many images, spread evenly over the training set.
        head: The module whose loss says how the weights are computed.

    Raises:
        ValueError: ``interval`` is not positive, or the training set has no seeds.

    Example:
        >>> custom_hooks = [
        ...     dict(type='mmengine.RightWeightHook', gt_dir='data/shapes/SegmentationClassAug')]
    """

    priority = 'NORMAL'

    def __init__(
        self,
        *,
        gt_dir: str,
        interval: int = 100,
        num_images: int = 50,
        head: str = 'decode_head',
    ):
        if interval < 1 or num_images < 1:
            raise ValueError(
                f'interval and num_images must be at least 1; got {interval} and {num_images}.'
            )
        self.gt_dir = gt_dir
        self.interval = interval
        self.num_images = num_images
        self.head = head
        self._view: WSTView | None = None

    def before_train(self, runner) -> None:
        self._view = WSTView(runner.train_dataloader.dataset, head=self.head, gt_dir=self.gt_dir)
        if is_main_process():
            self._log(runner, runner.iter)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        done = runner.iter + 1
        if is_main_process() and (done % self.interval == 0 or done == runner.max_iters):
            self._log(runner, done)

    def _log(self, runner, step: int) -> None:
        num_classes = len(self._view.classes)
        weighted, plain = np.zeros((2, num_classes, 2))
        for index in spread(self.num_images, len(self._view)):
            seen = self._view.weigh(runner.model, index)
            gt = seen.gt
            weighted += right_weight_sums(seen.weights, seen.seeds, gt, num_classes)
            plain += right_weight_sums(np.ones_like(seen.weights), seen.seeds, gt, num_classes)
        scalars = {}
        for sums, ending in ((weighted, ''), (plain, '_plain')):
            pixels, classes = right_weight_shares(sums)
            scalars[f'right_weight/pixels{ending}'] = pixels
            scalars[f'right_weight/classes{ending}'] = classes
        runner.visualizer.add_scalars(scalars, step=step)
