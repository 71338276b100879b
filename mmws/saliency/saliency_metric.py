"""MAE and F-measure of saliency maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS

LEVELS = 256


def precision_recall(saliency: np.ndarray, salient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall of one map at the thresholds 1, 2, ..., 255.

    Args:
        saliency: (P,) uint8. A pixel counts as found if its value reaches the threshold.
        salient: (P,) bool, with at least one True.

    Returns:
        (255,) float64 each. Precision is 0 where nothing is found.
    """
    hits, others = (
        # Number of pixels that reach each level, from the number that have it.
        np.bincount(saliency[which], minlength=LEVELS)[::-1].cumsum()[::-1][1:]
        for which in (salient, ~salient)
    )
    return hits / np.maximum(hits + others, 1), hits / np.count_nonzero(salient)


def f_measure(precision: np.ndarray, recall: np.ndarray, beta2: float = 0.3) -> np.ndarray:
    """The weighted harmonic mean of precision and recall; 0 where both are 0."""
    weighted = beta2 * precision + recall
    return (1 + beta2) * precision * recall / np.where(weighted > 0, weighted, 1)


@METRICS.register_module()
class SaliencyMetric(BaseMetric):
    """MAE, maximal and mean F-measure, as papers on salient objects report them.

    * ``mae``: mean absolute difference of map and mask, averaged over pixels, then images.
    * ``max_f``, ``mean_f``: the map is rounded to 8 bits and cut at 255 thresholds. Precision and
      recall are averaged over the images at each threshold, and F is computed from the averages;
      the maximum and the mean over the thresholds are reported. An image without any salient pixel
      has no recall and does not count here.

    Pixels labelled ``ignore_index`` do not count. Maps are evaluated as they are predicted,
    stretched to [0, 1] or not.

    Args:
        beta2: Weight of recall against precision, 0.3 by custom.
        ignore_index: Label of pixels that do not count.
        collect_device: As in mmengine's ``BaseMetric``.
        prefix: Before the names of the results.
    """

    default_prefix = 'saliency'

    def __init__(
        self,
        *,
        beta2: float = 0.3,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.beta2 = beta2
        self.ignore_index = ignore_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Takes a batch in.

        Args:
            data_batch: Not used.
            data_samples: Samples as dicts, with ``pred_saliency`` (1, H, W) in [0, 1] and
                ``gt_sem_seg`` (1, H, W) of 0, 1 and ``ignore_index``.

        Raises:
            KeyError: The model predicts no saliency.
            ValueError: Map and mask differ in size, or the map is not finite.
        """
        for sample in data_samples:
            name = sample.get('img_path', 'the image')
            if 'pred_saliency' not in sample:
                raise KeyError(
                    f'pred_saliency is missing in the prediction of {name}: SaliencyMetric '
                    "evaluates models of type='DSS'."
                )
            saliency = sample['pred_saliency']['data'][0].float().cpu().numpy()
            label = sample['gt_sem_seg']['data'][0].cpu().numpy()
            if saliency.shape != label.shape:
                raise ValueError(
                    f'the saliency map of {name} is {saliency.shape}, its mask {label.shape}. In '
                    'the test pipeline load the mask after all resizing.'
                )
            if not np.isfinite(saliency).all():
                raise ValueError(
                    f'the saliency map of {name} holds values that are not finite. Has training '
                    'diverged?'
                )
            known = label != self.ignore_index
            if known.any():
                self.results.append(self._measure(saliency[known], label[known] == 1))

    def _measure(self, saliency: np.ndarray, salient: np.ndarray) -> tuple:
        error = float(np.abs(saliency - salient).mean())
        flat = bool(saliency.min() == saliency.max())
        if not salient.any():
            return error, None, flat
        levels = np.rint(saliency * (LEVELS - 1)).astype(np.uint8)
        return error, np.stack(precision_recall(levels, salient)), flat

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Averages over the images.

        Args:
            results: Of all images: the error, (2, 255) precision and recall or None, and whether
                the map has no contrast.

        Raises:
            ValueError: No image has a pixel that counts.
        """
        if not results:
            raise ValueError(
                'SaliencyMetric: no image has a pixel that counts. Are the masks right?'
            )
        metrics = dict(mae=float(np.mean([error for error, _, _ in results])))
        flat = sum(flat for _, _, flat in results)
        if flat:
            print_log(
                f'{flat} of {len(results)} maps have no contrast: nothing stands out in them.',
                logger='current',
            )
        curves = [curve for _, curve, _ in results if curve is not None]
        if len(curves) < len(results):
            print_log(
                f'{len(results) - len(curves)} of {len(results)} images have no salient pixel; '
                'they count for the MAE only.',
                logger='current',
            )
        if curves:
            values = f_measure(*np.mean(curves, 0), self.beta2)
            metrics.update(max_f=float(values.max()), mean_f=float(values.mean()))
        return metrics
