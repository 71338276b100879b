"""Shows during a training which seeds the model believes, pixel by pixel."""

from __future__ import annotations

from mmengine.registry import HOOKS

from .wst_view_hook import WSTViewHook


@HOOKS.register_module()
class WSTVisualizationHook(WSTViewHook):
    """Draw seeds and their weights of a few training images, as in Figure 4 of the paper.

    The pictures go to the visualizer's backends (``vis_data/vis_image`` of the work dir,
    TensorBoard, ...) as ``wst_<image id>``, slashes as underscores. They are of whole images
    without augmentation; the training is not changed by them. For the arguments see
    :class:`WSTViewHook`.

    Example:
        >>> custom_hooks = [dict(type='mmengine.WSTVisualizationHook', interval=1000)]
    """

    priority = 'LOW'

    def __init__(self, *, interval: int = 1000, num_images: int = 2, **kwargs):
        super().__init__(interval=interval, num_images=num_images, **kwargs)

    def look(self, runner, step: int) -> None:
        for index in self._images:
            image_id, sheet = self._view.draw(runner.model, index)
            # No slash in the name: mmengine's local backend makes no folders and loses it.
            runner.visualizer.add_image(f'wst_{image_id}'.replace('/', '_'), sheet, step=step)
