"""Pictures of seeds, weights and predictions, as arrays."""

from .colours import colour_labels, colour_weights, overlay_cam
from .picture_grid import picture_grid, prediction_sheet
from .wst_sheet import wst_sheet

__all__ = [
    'colour_labels',
    'colour_weights',
    'overlay_cam',
    'picture_grid',
    'prediction_sheet',
    'wst_sheet',
]
