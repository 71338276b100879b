"""Backbones of both stages and their weight files; they need torch and mmengine only."""

from .efficientnet_lite import EfficientNetLite
from .efficientnet_lite_weights import PretrainedEfficientNetLite
from .resnet38 import ResNet38
from .resnet38_weights import PretrainedResNet38
from .vgg16 import VGG16LargeFOV
from .vgg16_weights import PretrainedVGG16

__all__ = [
    'EfficientNetLite',
    'PretrainedEfficientNetLite',
    'PretrainedResNet38',
    'PretrainedVGG16',
    'ResNet38',
    'VGG16LargeFOV',
]
