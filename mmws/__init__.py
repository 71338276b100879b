"""mmws: semantic segmentation from several imperfect label maps per image, on MMSegmentation.

Importing this package checks the hosts' versions (:mod:`mmws.compat`) and registers the
segmentation side (datasets, models, hooks, metrics) in mmseg's registries. The CAM classifiers of
stage one live in :mod:`mmws.classification`, which needs mmpretrain and is imported on its own.

What a config may name by its full path (``type='mmws.WSTLoss'``, which needs no
``custom_imports``) is importable from here.
"""

from . import compat  # isort: skip  (must run before anything imports mmseg.models)
from . import backbones, datasets, engine, evaluation, models, saliency, visualization
from .datasets import LoadMultiSeedAnnotations, MultiSeedDataset, PackMultiSeedInputs
from .models import MultiSeedSegmentor, WSTLoss
from .version import __version__

__all__ = [
    'LoadMultiSeedAnnotations',
    'MultiSeedDataset',
    'MultiSeedSegmentor',
    'PackMultiSeedInputs',
    'WSTLoss',
    '__version__',
    'backbones',
    'compat',
    'datasets',
    'engine',
    'evaluation',
    'models',
    'saliency',
    'visualization',
]
