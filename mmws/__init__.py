"""mmws: semantic segmentation from several imperfect label maps per image, on MMSegmentation.

Importing this package checks the hosts' versions (:mod:`mmws.compat`) and registers the
segmentation side (datasets, models, hooks, metrics). Every public name is ``mmws.X``: in a config
``type='mmws.WSTLoss'`` needs no ``custom_imports``. The names of stage one are found on first use,
because :mod:`mmws.classification` needs mmpretrain.
"""

from . import compat  # isort: skip  (must run before anything imports mmseg.models)
from . import backbones, datasets, engine, evaluation, models, saliency
from .backbones import *
from .datasets import *
from .engine import *
from .evaluation import *
from .files.image_file import read_image
from .files.label_map import read_label_map
from .models import *
from .saliency import *
from .seeds.crf import refine_with_crf
from .seeds.seed import crf_seeds, threshold_seed
from .seeds.vote import vote
from .version import __version__

_ROOMS = (backbones, datasets, engine, evaluation, models, saliency)
_STAGE_ONE = (
    'LabelMapImageLevelDataset',
    'LinearCAMHead',
    'ListImageLevelDataset',
    'SeedGenerationHook',
    'VGG16CAMHead',
    'VOCImageLevelDataset',
    'class_maps',
    'load_classifier',
)

__all__ = [
    '__version__',
    'compat',
    'crf_seeds',
    'read_image',
    'read_label_map',
    'refine_with_crf',
    'threshold_seed',
    'vote',
]
__all__ += [name for room in _ROOMS for name in room.__all__]


def __getattr__(name: str):
    if name in _STAGE_ONE:
        from . import classification

        return getattr(classification, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_STAGE_ONE})
