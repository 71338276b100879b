"""Saliency, which tells the seeds what is background: DSS (in mmseg's registry), ONNX networks."""

from .dss import DSS
from .dss_head import DSSHead
from .dss_resnet import DSSResNet
from .dss_vgg16 import DSSVGG16
from .load_saliency_mask import LoadSaliencyMask
from .onnx_saliency import ONNXSaliency
from .saliency_dataset import SaliencyDataset
from .saliency_metric import SaliencyMetric

__all__ = [
    'DSS',
    'DSSHead',
    'DSSResNet',
    'DSSVGG16',
    'LoadSaliencyMask',
    'ONNXSaliency',
    'SaliencyDataset',
    'SaliencyMetric',
]
