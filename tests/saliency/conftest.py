import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

import mmws.saliency  # noqa: F401


@pytest.fixture
def tiny_dss():
    """A DSS on VGG16 with random weights that let every path carry a signal."""
    return _build()


@pytest.fixture
def build_dss():
    """Builds such models, on either trunk."""
    return _build


def _build(trunk='vgg16', *, norm_cfg=None, **test_cfg):
    if trunk == 'vgg16':
        backbone = dict(type='DSSVGG16', base_channels=4)
        in_channels = [4, 8, 16, 32, 32, 32]
    else:
        backbone = dict(
            type='DSSResNet', depth=50, stem_channels=8, base_channels=4, norm_cfg=dict(type='BN')
        )
        in_channels = [8, 16, 32, 64, 128]
    model = MODELS.build(
        dict(
            type='mmseg.DSS',
            backbone=backbone,
            decode_head=dict(
                type='DSSHead', in_channels=in_channels, base_channels=2, norm_cfg=norm_cfg
            ),
            test_cfg=ConfigDict(mode='whole', **test_cfg),
        )
    ).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 1.5 if parameter.dim() < 2 else (2 / parameter[0].numel()) ** 0.5
            if 'bn' in name or 'downsample' in name:
                continue
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model
