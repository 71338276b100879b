"""Shows during a training which seeds the model believes, pixel by pixel."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmws.visualization.wst_view import WSTView, spread


@HOOKS.register_module()
class WSTVisualizationHook(Hook):
    """Draw seeds and their weights of a few training images, as in Figure 4 of the paper.

    The pictures go to the visualizer's backends (``vis_data/vis_image`` of the work dir,
    TensorBoard, ...) as ``wst_<image id>``, slashes as underscores. They are of whole images
    without augmentation; the training is not changed by them.

    Args:
        interval: Look every so many iterations, and at the end.
        num_images: At how many images, spread evenly over the training set.
        gt_dir: Folder of ground-truth label maps, named as the seeds are.

    Raises:
        ValueError: A number is not positive, or the training set has no seeds.

    Example:
        >>> custom_hooks = [dict(type='mmengine.WSTVisualizationHook', interval=1000)]
    """

    priority = 'LOW'

    def __init__(self, *, interval: int = 1000, num_images: int = 2, gt_dir: str | None = None):
        if interval < 1 or num_images < 1:
            raise ValueError(
                f'interval and num_images must be at least 1; got {interval} and {num_images}.'
            )
        self.interval = interval
        self.num_images = num_images
        self.gt_dir = gt_dir

    def before_train(self, runner) -> None:
        self._view = WSTView(runner.train_dataloader.dataset, gt_dir=self.gt_dir)
        self._images = spread(self.num_images, len(self._view))

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        due = self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        if due and is_main_process():
            self.look(runner, runner.iter + 1)

    def look(self, runner, step: int) -> None:
        """Log what ``self._view`` shows of ``self._images`` after ``step`` iterations."""
        for index in self._images:
            image_id, sheet = self._view.draw(runner.model, index)
            # No slash in the name: mmengine's local backend makes no folders and loses it.
            runner.visualizer.add_image(f'wst_{image_id}'.replace('/', '_'), sheet, step=step)
