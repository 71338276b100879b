"""mmseg's IoU metric, writing its predictions as VOC writes label maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from torch import Tensor

from mmws.files.atomic_write import write_atomically
from mmws.files.find_images import name_of_image
from mmws.files.label_map import encode_label_map, label_colours


@METRICS.register_module()
class PaletteIoUMetric(IoUMetric):
    """``IoUMetric`` whose ``output_dir`` receives palette PNGs.

    The VOC test server takes 8-bit palette PNGs named by the image; mmseg writes greyscale ones.
    The pixels hold the class ids either way, the palette gives them the dataset's colours.

    Args:
        image_dirs: Folders of the images; the predictions of images in folders below them lie in
            the same folders below ``output_dir``. Without them all lie in one.
        **kwargs: As in mmseg's ``IoUMetric``.

    Raises:
        ValueError: The predictions of two images would be one file.
    """

    def __init__(self, *, image_dirs: Sequence[str] = (), **kwargs):
        super().__init__(**kwargs)
        self.image_dirs = list(image_dirs)
        self._written: dict[str, str] = {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Take a batch of predictions in.

        The samples are dicts with ``pred_sem_seg`` and, unless ``format_only``, ``gt_sem_seg``.
        """
        for sample in data_samples:
            prediction = label_of(sample, 'pred_sem_seg')
            if not self.format_only:
                self.results.append(self._areas(prediction, label_of(sample, 'gt_sem_seg')))
            self._write(prediction.cpu().numpy(), sample)

    def _areas(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, ...]:
        """Intersection, union, predicted and labelled pixels of every class, each (C,)."""
        return self.intersect_and_union(
            prediction, label.to(prediction), len(self.dataset_meta['classes']), self.ignore_index
        )

    def _write(self, prediction: np.ndarray, sample: dict) -> None:
        """Write (H, W) class ids to ``output_dir``, where there is one."""
        if self.output_dir is None:
            return
        name = name_of_image(sample['img_path'], self.image_dirs)
        # The same image may come twice, to fill up the last batch.
        first = self._written.setdefault(name, sample['img_path'])
        if first != sample['img_path']:
            raise ValueError(
                f'the predictions of {first} and {sample["img_path"]} would both be {name}.png in '
                f'{self.output_dir}. Set image_dirs of {type(self).__name__} to the folder of the '
                'images, so that predictions keep the folders below it.'
            )
        colours = self.dataset_meta.get('palette')
        if sample.get('reduce_zero_label', False):
            # The dataset's files count from 1; 0 is what they leave out.
            prediction, colours = prediction + 1, colours and [(0, 0, 0), *colours]
        png = encode_label_map(prediction.astype(np.uint8), colours and label_colours(colours))
        # Several processes may have been given the same image to fill up the last batch.
        write_atomically(Path(self.output_dir, f'{name}.png'), png)


def label_of(sample: dict, key: str) -> Tensor:
    """Give the (H, W) label map that a sample holds under ``key``."""
    if key not in sample:
        advice = {
            'gt_sem_seg': 'The pipeline needs LoadAnnotations; for images without ground truth set '
            'format_only=True.',
            'pred_sem_seg': 'Is the model a segmentor?',
        }
        raise KeyError(f'{key} is missing in the sample of {sample.get("img_path")}. {advice[key]}')
    return sample[key]['data'].squeeze(0)
