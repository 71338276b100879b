"""Pictures of seeds, weights and predictions, as arrays."""

from .prediction_sheet import colour_labels, prediction_sheet

__all__ = ['colour_labels', 'prediction_sheet']
