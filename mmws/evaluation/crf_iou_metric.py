"""mIoU with and without DenseCRF in one test run."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, fields

import mmcv
import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import METRICS

from mmws.files.worker_pool import WorkerPool, worker_cores
from mmws.seeds.crf import CRFOptions, refine_with_crf

from .palette_iou_metric import PaletteIoUMetric, label_of


@METRICS.register_module()
class CRFIoUMetric(PaletteIoUMetric):
    """mIoU of the predictions as they are, and refined by DenseCRF on the raw RGB image.

    The metrics of the refined predictions have the suffix ``_crf`` (``mIoU_crf``); the others keep
    mmseg's names. ``output_dir`` receives the refined predictions.

    The CRF takes about a second per image and core, so it runs in ``workers`` processes while the
    model goes on. What comes out does not depend on their number.

    Args:
        workers: Processes for the CRF. 0: none, it runs where the metric does. None: as many as
            the process may use cores, shared among the processes of one machine, at most 16.
        iterations: Mean-field steps; 5 is the author's for testing (js-fan/MCIC).
        backend_args: How mmengine reads the images, as in ``LoadImageFromFile``.
        **kwargs: The other numbers of :class:`CRFOptions`, and the arguments of
            :class:`PaletteIoUMetric`.

    Raises:
        ValueError: A number of the CRF that makes no sense.

    Example:
        >>> test_evaluator = dict(type='CRFIoUMetric', iou_metrics=['mIoU'], workers=8)
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        iterations: int = 5,
        backend_args: dict | None = None,
        **kwargs,
    ):
        names = [field.name for field in fields(CRFOptions)]
        numbers = {name: kwargs.pop(name) for name in names if name in kwargs}
        super().__init__(**kwargs)
        self.workers = min(16, worker_cores()) if workers is None else workers
        self.crf = CRFOptions(iterations=iterations, **numbers)
        self.backend_args = backend_args
        self._pool: WorkerPool | None = None
        self._pending: deque[tuple[Future, dict]] = deque()

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Take a batch of predictions in and give their CRFs to the workers.

        The samples are dicts with ``seg_logits`` (C, H, W) in the image's size, ``img_path``, and
        what :class:`PaletteIoUMetric` needs.
        """
        try:
            for sample in data_samples:
                scores = self._scores(sample)
                image = self._image(sample, scores.shape[1:])
                if self._pool is None:
                    self._pool = WorkerPool(self.workers, preload='mmws.seeds.crf')
                refined = self._pool.submit(_refine, image, scores, self.crf)
                # A sample's scores are ~16 MB: few may wait, and only in the workers' queue.
                kept = {key: value for key, value in sample.items() if key != 'seg_logits'}
                self._pending.append((refined, kept))
                self._finish(leave=2 * self.workers)
        except BaseException:
            self._close()
            raise

    def evaluate(self, size: int) -> dict:
        """Wait for the workers, then compute the metrics over all processes."""
        try:
            self._finish(leave=0)
        finally:
            self._close()
        return super().evaluate(size)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute the metrics without and, with the suffix ``_crf``, with the CRF."""
        if self.format_only:
            return super().compute_metrics(results)
        print_log('Without CRF:', logger='current')
        metrics = super().compute_metrics([plain for plain, _ in results])
        print_log('With CRF:', logger='current')
        refined = super().compute_metrics([refined for _, refined in results])
        return {**metrics, **{f'{name}_crf': value for name, value in refined.items()}}

    def _finish(self, *, leave: int) -> None:
        """Take results in, in the order in which they were given out."""
        while len(self._pending) > leave:
            future, sample = self._pending.popleft()
            refined = self._pool.result(future)
            if not self.format_only:
                label, plain = (label_of(sample, f'{kind}_sem_seg') for kind in ('gt', 'pred'))
                maps = (plain, torch.from_numpy(refined).long())
                self.results.append([self._areas(labels, label) for labels in maps])
            self._write(refined, sample)

    def _close(self) -> None:
        self._pending.clear()
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    @staticmethod
    def _scores(sample: dict) -> np.ndarray:
        """(C, H, W) float32 probabilities."""
        if 'seg_logits' not in sample:
            raise KeyError(
                f'seg_logits is missing in the sample of {sample.get("img_path")}: the CRF needs '
                "the scores, and this model's test step gives labels alone. With test-time "
                "augmentation use tta_model=dict(type='MultiScaleFusionTTA')."
            )
        logits = sample['seg_logits']['data'].float()
        # Of one channel mmseg gives the sigmoid.
        one = logits.shape[0] == 1
        return (torch.cat([1 - logits, logits]) if one else logits.softmax(0)).cpu().numpy()

    def _image(self, sample: dict, size: tuple[int, int]) -> np.ndarray:
        """(H, W, 3) uint8 RGB, decoded as the pipeline decodes it."""
        path = sample['img_path']
        image = mmcv.imread(path, channel_order='rgb', backend_args=self.backend_args)
        if image.shape[:2] != tuple(size):
            raise ValueError(
                f'the scores of {path} are {tuple(size)} and the image is {image.shape[:2]}: the '
                "CRF needs both in the image's own size. Does the test pipeline keep ori_shape?"
            )
        return image


def _refine(image: np.ndarray, scores: np.ndarray, crf: CRFOptions) -> np.ndarray:
    """(H, W) uint8; runs in a worker."""
    return refine_with_crf(image, scores[None], **asdict(crf))[0]
