"""MAE and F-measure of saliency maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS

from mmws.files.label_map import UNKNOWN

LEVELS = 256
_BETA2 = 0.3  # weight of recall against precision, by custom


def precision_recall(saliency: np.ndarray, salient: np.ndarray) -> np.ndarray:
    """Compute precision and recall of one map at the thresholds 1, 2, ..., 255: (2, 255) float64.

    The map is (P,) uint8; a pixel counts as found if its value reaches the threshold. What is
    salient is (P,) bool, with at least one True. Precision is 0 where nothing is found.
    """
    hits, others = (
        # Number of pixels that reach each level, from the number that have it.
        np.bincount(saliency[which], minlength=LEVELS)[::-1].cumsum()[::-1][1:]
        for which in (salient, ~salient)
    )
    return np.stack([hits / np.maximum(hits + others, 1), hits / np.count_nonzero(salient)])


@METRICS.register_module()
class SaliencyMetric(BaseMetric):
    """MAE, maximal and mean F-measure, as papers on salient objects report them.

    * ``mae``: mean absolute difference of map and mask, averaged over pixels, then images.
    * ``max_f``, ``mean_f``: the map is rounded to 8 bits and cut at 255 thresholds. Precision and
      recall are averaged over the images at each threshold, and F is computed from the averages;
      the maximum and the mean over the thresholds are reported. An image without any salient pixel
      has no recall and does not count here.

    Maps are evaluated as they are predicted, stretched to [0, 1] or not.
    Pixels labelled 255 do not count.
    """

    default_prefix = 'saliency'

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Measure the maps ``pred_saliency`` (1, H, W) in [0, 1] of a batch.

        Raises:
            KeyError: The model predicts no saliency.
            ValueError: Map and mask differ in size.
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
            known = label != UNKNOWN
            saliency, salient = saliency[known], label[known] == 1
            if not known.any():
                continue
            levels = np.rint(saliency * (LEVELS - 1)).astype(np.uint8)
            curves = precision_recall(levels, salient) if salient.any() else None
            error = float(np.abs(saliency - salient).mean())
            self.results.append((error, curves, bool(saliency.min() == saliency.max())))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average over the images: their error, precision and recall, and lack of contrast."""
        if not results:
            raise ValueError(
                'SaliencyMetric: no image has a pixel that counts. Are the masks right?'
            )
        errors, curves, flat = zip(*results, strict=True)
        curves = [curve for curve in curves if curve is not None]
        texts = {
            'maps have no contrast: nothing stands out in them': sum(flat),
            'images have no salient pixel: they count for the MAE only': len(results) - len(curves),
        }
        for text, count in texts.items():
            if count:
                print_log(f'{count} of {len(results)} {text}.', logger='current')
        metrics = dict(mae=float(np.mean(errors)))
        if curves:
            precision, recall = np.mean(curves, 0)
            weighted = _BETA2 * precision + recall  # 0 where both are, and so is F
            values = (1 + _BETA2) * precision * recall / np.where(weighted > 0, weighted, 1)
            metrics.update(max_f=float(values.max()), mean_f=float(values.mean()))
        return metrics
