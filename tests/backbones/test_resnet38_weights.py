"""The names of the released ResNet38 files, and the loading."""

import pytest
import torch

from mmws.backbones import PretrainedResNet38, ResNet38, weight_file


def mxnet_name(key):
    """The published rules, read backwards: PyTorch key -> MXNet name."""
    layer, _, entry = key.rpartition('.')
    norm = 'bn' in layer
    entry = {
        'weight': 'gamma' if norm else 'weight',
        'bias': 'beta',
        'running_mean': 'moving_mean',
        'running_var': 'moving_var',
    }[entry]
    prefix = 'aux' if entry.startswith('moving') else 'arg'
    if layer in ('conv1a', 'bn7'):
        return f'{prefix}:{layer}_{entry}'
    unit, part = layer.split('.')
    level, _, index = unit[1:].partition('_')
    kind, branch = part.split('_')
    unit = level + (f'b{index}' if index else 'a')
    return f'{prefix}:{"bn" if kind == "bn" else "res"}{unit}_{branch}_{entry}'


def weights(model):
    return {k: v for k, v in model.state_dict().items() if not k.endswith('num_batches_tracked')}


def random_model(seed=0):
    torch.manual_seed(seed)
    model = ResNet38(1)
    for value in weights(model).values():
        value.copy_(torch.rand_like(value))
    return model


@pytest.mark.parametrize('kind', ['params', 'pth'])
def test_released_files_fill_the_model(tmp_path, monkeypatch, kind):
    source, model = random_model(), random_model(seed=1)
    path = tmp_path / f'res38.{kind}'
    torch.save({**weights(source), 'fc8.weight': torch.zeros(20, 64, 1, 1)}, path)
    arrays = {mxnet_name(k): v.numpy() for k, v in weights(source).items()}
    for unused in ('arg:linear1000_weight', 'arg:bn_data_gamma'):
        arrays[unused] = torch.zeros(10, 64).numpy()
    monkeypatch.setattr(weight_file, 'read_mxnet_params', lambda path: arrays)
    PretrainedResNet38(str(path))(model)
    for name, value in weights(source).items():
        assert value.equal(weights(model)[name]), name


def test_files_of_another_model_and_none(tmp_path):
    path = str(tmp_path / 'resnet50.pth')
    torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='191 of its 191 .*first conv1a.weight;.*the PSA or SEAM'):
        PretrainedResNet38(path)(ResNet38(1))
    for kind in ('pth', 'params'):
        with pytest.raises(FileNotFoundError, match=f'there is no file .*nothing.{kind}'):
            PretrainedResNet38(str(tmp_path / f'nothing.{kind}'))(ResNet38(1))
