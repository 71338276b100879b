"""Shows during a training which seeds the model believes, pixel by pixel."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmws.visualization.wst_view import WSTView, spread


@HOOKS.register_module()
class WSTVisualizationHook(Hook):
    """Draws seeds and their weights of a few training images, as in Figure 4 of the paper.

    The pictures go to the visualizer's backends (``vis_data/vis_image`` of the work dir,
    TensorBoard, ...) as ``wst_<image id>``, slashes as underscores. They are of whole images
    without augmentation; the training is not changed by them.

    Args:
        interval: Draw every so many iterations, and at the end.
        num_images: How many images, spread evenly over the training set.
        head: The module whose loss says how the weights are computed.
        gt_dir: Folder of ground-truth label maps, named as the seeds are, to be shown too.

    Raises:
        ValueError: ``interval`` is not positive, or the training set has no seeds.

    Example:
        >>> custom_hooks = [dict(type='mmengine.WSTVisualizationHook', interval=1000)]
    """

    priority = 'LOW'

    def __init__(
        self,
        *,
        interval: int = 1000,
        num_images: int = 2,
        head: str = 'decode_head',
        gt_dir: str | None = None,
    ):
        if interval < 1 or num_images < 1:
            raise ValueError(
                f'interval and num_images must be at least 1; got {interval} and {num_images}.'
            )
        self.interval = interval
        self.num_images = num_images
        self.head = head
        self.gt_dir = gt_dir
        self._view: WSTView | None = None

    def before_train(self, runner) -> None:
        self._view = WSTView(runner.train_dataloader.dataset, head=self.head, gt_dir=self.gt_dir)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        done = runner.iter + 1
        if is_main_process() and (done % self.interval == 0 or done == runner.max_iters):
            for index in spread(self.num_images, len(self._view)):
                image_id, sheet = self._view.draw(runner.model, index)
                # No slash in the name: mmengine's local backend makes no folders and loses it.
                name = f'wst_{image_id}'.replace('/', '_')
                runner.visualizer.add_image(name, sheet, step=done)
