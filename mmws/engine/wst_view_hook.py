"""What the hooks that look at whole training images have in common."""

from __future__ import annotations

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmws.visualization.wst_view import WSTView, spread


class WSTViewHook(Hook):
    """Look every ``interval`` iterations, and at the end, at images without augmentation.

    Args:
        interval: Look every so many iterations.
        num_images: At how many images, spread evenly over the training set.
        head: The module whose loss says how the weights are computed.
        gt_dir: Folder of ground-truth label maps, named as the seeds are.

    Raises:
        ValueError: A number is not positive, or the training set has no seeds.
    """

    def __init__(
        self,
        *,
        interval: int,
        num_images: int,
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

    def before_train(self, runner) -> None:
        self._view = WSTView(runner.train_dataloader.dataset, head=self.head, gt_dir=self.gt_dir)
        self._images = spread(self.num_images, len(self._view))

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        due = self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        if due and is_main_process():
            self.look(runner, runner.iter + 1)

    def look(self, runner, step: int) -> None:
        """Log what ``self._view`` shows of ``self._images`` after ``step`` iterations."""
        raise NotImplementedError
