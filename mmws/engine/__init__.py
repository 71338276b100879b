"""Hooks; they register in mmengine's root registry, so both stages find them by name."""

from .checkpoint_check_hook import CheckpointCheckHook
from .folder_visualization_hook import FolderVisualizationHook
from .num_classes_check_hook import NumClassesCheckHook
from .right_weight_hook import RightWeightHook
from .run_report_hook import RunReportHook
from .seed_trust_hook import SeedTrustHook
from .wst_visualization_hook import WSTVisualizationHook

__all__ = [
    'CheckpointCheckHook',
    'FolderVisualizationHook',
    'NumClassesCheckHook',
    'RightWeightHook',
    'RunReportHook',
    'SeedTrustHook',
    'WSTVisualizationHook',
]
