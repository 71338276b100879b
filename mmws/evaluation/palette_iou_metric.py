"""mmseg's IoU metric, writing its predictions as VOC writes label maps."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image
from torch import Tensor

from mmws.files.atomic_write import write_atomically
from mmws.files.find_images import name_of_image

# The colour in which VOC draws pixels without a class.
_VOID_COLOUR = (224, 224, 192)


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
        """Takes a batch of predictions in.

        Args:
            data_batch: Not used.
            data_samples: Samples as dicts, with ``pred_sem_seg`` and, unless ``format_only``,
                ``gt_sem_seg``.
        """
        for sample in data_samples:
            prediction = label_of(sample, 'pred_sem_seg')
            if not self.format_only:
                self.results.append(self._areas(prediction, label_of(sample, 'gt_sem_seg')))
            self._write(prediction.cpu().numpy(), sample)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """mmseg's metrics, or none with ``format_only``."""
        if self.format_only:
            logger = MMLogger.get_current_instance()
            logger.info(f'The predictions are in {self.output_dir}.')
            return OrderedDict()
        return super().compute_metrics(results)

    def _areas(self, prediction: Tensor, label: Tensor) -> tuple[Tensor, ...]:
        """Intersection, union, predicted and labelled pixels of every class, each (C,)."""
        return self.intersect_and_union(
            prediction, label.to(prediction), len(self.dataset_meta['classes']), self.ignore_index
        )

    def _write(self, prediction: np.ndarray, sample: dict) -> None:
        """Writes (H, W) class ids to ``output_dir``, where there is one."""
        if self.output_dir is None:
            return
        prediction = prediction.astype(np.uint8)
        if sample.get('reduce_zero_label', False):
            # The dataset's files count from 1; 0 is what they leave out.
            prediction = prediction + 1
        name = name_of_image(sample['img_path'], self.image_dirs)
        # The same image may come twice, to fill up the last batch.
        first = self._written.setdefault(name, sample['img_path'])
        if first != sample['img_path']:
            raise ValueError(
                f'the predictions of {first} and {sample["img_path"]} would both be {name}.png in '
                f'{self.output_dir}. Set image_dirs of {type(self).__name__} to the folder of the '
                'images, so that predictions keep the folders below it.'
            )
        image = Image.fromarray(prediction)
        palette = self.dataset_meta.get('palette')
        if palette is not None:
            image.putpalette(_png_palette(palette, bool(sample.get('reduce_zero_label', False))))
        stream = io.BytesIO()
        image.save(stream, format='PNG')
        # Several processes may have been given the same image to fill up the last batch.
        write_atomically(Path(self.output_dir, f'{name}.png'), stream.getvalue())


def label_of(sample: dict, key: str) -> Tensor:
    """The (H, W) label map that a sample holds under ``key``."""
    if key not in sample:
        advice = {
            'gt_sem_seg': 'The pipeline needs LoadAnnotations; for images without ground truth set '
            'format_only=True.',
            'pred_sem_seg': 'Is the model a segmentor?',
        }
        raise KeyError(f'{key} is missing in the sample of {sample.get("img_path")}. {advice[key]}')
    return sample[key]['data'].squeeze(0)


def _png_palette(palette: Sequence[Sequence[int]], from_one: bool) -> list[int]:
    """256 colours, flat: the classes' own, black for the rest, VOC's void colour for 255."""
    colours = [(0, 0, 0)] * 256
    first = int(from_one)
    colours[first : first + len(palette)] = [tuple(colour) for colour in palette]
    colours = colours[:256]
    if first + len(palette) < 256:
        colours[255] = _VOID_COLOUR
    return [value for colour in colours for value in colour]
