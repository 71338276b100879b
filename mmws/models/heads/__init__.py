"""Decode heads of DeepLab-v2 for VGG16 and ResNet101."""

from .deeplabv2_head import DeepLabV2Head
from .feature_grid import sample_on_grid
from .large_fov_head import LargeFOVHead

__all__ = ['DeepLabV2Head', 'LargeFOVHead', 'sample_on_grid']
