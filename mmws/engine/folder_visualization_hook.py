"""mmseg's pictures of predictions, in the folders of their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mmcv
from mmengine import fileio
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from mmws.files.find_images import name_of_image


@HOOKS.register_module()
class FolderVisualizationHook(SegVisualizationHook):
    """``SegVisualizationHook`` that keeps pictures of images of the same name apart.

    mmseg names a picture by the image's file name: of images ``a/1.jpg`` and ``b/1.jpg`` the
    second picture replaces the first.

    Args:
        out_dir: Where the pictures go.
        image_dirs: Folders of the images; the folders below them are kept.
        **kwargs: As in mmseg's ``SegVisualizationHook``.
    """

    def __init__(self, out_dir: str, image_dirs: Sequence[str] = (), **kwargs):
        super().__init__(**kwargs)
        self.out_dir = out_dir
        self.image_dirs = list(image_dirs)

    def _after_iter(
        self, runner, batch_idx: int, data_batch, outputs: Sequence[SegDataSample], mode='val'
    ) -> None:
        drawn = self.draw and mode != 'train' and self.every_n_inner_iters(batch_idx, self.interval)
        for output in outputs if drawn else ():
            content = fileio.get(output.img_path, backend_args=self.backend_args)
            name = name_of_image(output.img_path, self.image_dirs)
            self._visualizer.add_datasample(
                name,
                mmcv.imfrombytes(content, channel_order='rgb'),
                data_sample=output,
                show=self.show,
                wait_time=self.wait_time,
                out_file=str(Path(self.out_dir, f'{name}.png')),
                step=runner.iter,
            )
