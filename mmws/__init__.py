"""mmws: semantic segmentation from several imperfect label maps per image, on MMSegmentation.

Importing this package checks the hosts' versions (:mod:`mmws.compat`) and registers the
segmentation side (datasets, models, hooks, metrics). Every public name is ``mmws.X``: in a config
``type='mmws.WSTLoss'`` needs no ``custom_imports``. The names of stage one are found on first use,
because :mod:`mmws.classification` needs mmpretrain.
"""

from . import compat  # isort: skip  (must run before anything imports mmseg.models)
from .backbones import (
    EfficientNetLite,
    PretrainedEfficientNetLite,
    PretrainedResNet38,
    PretrainedVGG16,
    ResNet38,
    VGG16LargeFOV,
)
from .datasets import (
    LoadMultiSeedAnnotations,
    MultiSeedDataset,
    PackMultiSeedInputs,
    RandomRelativeResize,
    ShapesDataset,
)
from .engine import (
    CheckpointCheckHook,
    FolderVisualizationHook,
    NumClassesCheckHook,
    RightWeightHook,
    SeedTrustHook,
    WSTVisualizationHook,
)
from .evaluation import CRFIoUMetric, PaletteIoUMetric
from .files.image_file import read_image
from .files.label_map import read_label_map
from .models import (
    DeepLabV2Head,
    LargeFOVHead,
    MultiScaleFusionTTA,
    MultiSeedSegmentor,
    WSTLoss,
    handed_seeds,
    wst_weights,
)
from .saliency import (
    DSS,
    DSSVGG16,
    DSSHead,
    DSSResNet,
    LoadSaliencyMask,
    ONNXSaliency,
    SaliencyDataset,
    SaliencyMetric,
)
from .seeds.crf import refine_with_crf
from .seeds.seed import crf_seeds, threshold_seed
from .seeds.vote import vote
from .version import __version__

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
    'CRFIoUMetric',
    'CheckpointCheckHook',
    'DSS',
    'DSSHead',
    'DSSResNet',
    'DSSVGG16',
    'DeepLabV2Head',
    'EfficientNetLite',
    'FolderVisualizationHook',
    'LargeFOVHead',
    'LoadMultiSeedAnnotations',
    'LoadSaliencyMask',
    'MultiScaleFusionTTA',
    'MultiSeedDataset',
    'MultiSeedSegmentor',
    'NumClassesCheckHook',
    'ONNXSaliency',
    'PackMultiSeedInputs',
    'PaletteIoUMetric',
    'PretrainedEfficientNetLite',
    'PretrainedResNet38',
    'PretrainedVGG16',
    'RandomRelativeResize',
    'ResNet38',
    'RightWeightHook',
    'SaliencyDataset',
    'SaliencyMetric',
    'SeedTrustHook',
    'ShapesDataset',
    'VGG16LargeFOV',
    'WSTLoss',
    'WSTVisualizationHook',
    '__version__',
    'compat',
    'crf_seeds',
    'handed_seeds',
    'read_image',
    'read_label_map',
    'refine_with_crf',
    'threshold_seed',
    'vote',
    'wst_weights',
]


def __getattr__(name: str):
    if name in _STAGE_ONE:
        from . import classification

        return getattr(classification, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__() -> list[str]:
    return sorted({*globals(), *_STAGE_ONE})
