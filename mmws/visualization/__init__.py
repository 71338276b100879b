"""Pictures of seeds, weights and predictions, as arrays."""

from .label_colours import colour_labels
from .prediction_sheet import prediction_sheet
from .seed_sheet import overlay_cam, seed_sheet
from .wst_sheet import colour_weights, wst_sheet

__all__ = [
    'colour_labels',
    'colour_weights',
    'overlay_cam',
    'prediction_sheet',
    'seed_sheet',
    'wst_sheet',
]
