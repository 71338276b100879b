"""mmws: semantic segmentation from several imperfect label maps per image, on MMSegmentation.

Importing this package checks the hosts' versions (:mod:`mmws.compat`) and registers the
segmentation side (datasets, models, hooks, metrics) in mmseg's registries. The CAM classifiers of
stage one live in :mod:`mmws.classification`, which needs mmpretrain and is imported on its own.
"""

from . import compat  # isort: skip  (must run before anything imports mmseg.models)
from . import models
from .version import __version__

__all__ = ['__version__', 'compat', 'models']
