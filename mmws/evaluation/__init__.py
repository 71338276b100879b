"""Metrics of stage two and of the seeds."""

from .crf_iou_metric import CRFIoUMetric
from .palette_iou_metric import PaletteIoUMetric

__all__ = ['CRFIoUMetric', 'PaletteIoUMetric']
