"""Backbones of both stages and their weight files; they need torch and mmengine only."""

from .resnet38 import ResNet38
from .resnet38_weights import PretrainedResNet38

__all__ = ['PretrainedResNet38', 'ResNet38']
