"""Heads that score images by the mean of a class map."""

from .class_map_head import ClassMapHead
from .linear_cam_head import LinearCAMHead
from .vgg16_cam_head import VGG16CAMHead

__all__ = ['ClassMapHead', 'LinearCAMHead', 'VGG16CAMHead']
