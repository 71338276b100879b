"""The reader of MXNet files, against bytes packed here field by field, and the loading."""

import struct

import numpy as np
import pytest
import torch
from mmengine.model import BaseModule

from mmws.backbones import PretrainedResNet38, ResNet38
from mmws.backbones.resnet38_weights import read_mxnet_params, rename_mxnet_key

FLAGS = {'float32': 0, 'float64': 1, 'float16': 2, 'uint8': 3, 'int32': 4, 'int8': 5, 'int64': 6}


def pack_array(array, version):
    """One array as MXNet writes it; version 0 is what MXNet wrote before 2017."""
    if version == 2:
        head = struct.pack('<IiI', 0xF993FAC9, 0, array.ndim)
    elif version == 1:
        head = struct.pack('<II', 0xF993FAC8, array.ndim)
    else:
        head = struct.pack('<I', array.ndim)
    shape = struct.pack(f'<{array.ndim}{"q" if version else "I"}', *array.shape)
    context_and_type = struct.pack('<iii', 1, 0, FLAGS[array.dtype.name])
    return head + shape + context_and_type + array.tobytes()


def pack_file(arrays, version=2):
    data = struct.pack('<QQQ', 0x112, 0, len(arrays))
    data += b''.join(pack_array(array, version) for array in arrays.values())
    data += struct.pack('<Q', len(arrays))
    for name in arrays:
        data += struct.pack('<Q', len(name)) + name.encode()
    return data


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


@pytest.fixture
def params_file(tmp_path):
    source = random_model()
    arrays = {mxnet_name(k): v.numpy() for k, v in weights(source).items()}
    arrays['arg:linear1000_weight'] = np.zeros((10, 64), np.float32)
    path = tmp_path / 'model-0001.params'
    path.write_bytes(pack_file(arrays, version=0))
    return path, source


@pytest.mark.parametrize('version', [0, 1, 2])
def test_every_version_and_type_is_read(tmp_path, version):
    rng = np.random.default_rng(0)
    arrays = {
        f'arg:{name}': rng.integers(0, 100, (2, 3, version + 1)).astype(name) for name in FLAGS
    }
    path = tmp_path / 'some.params'
    path.write_bytes(pack_file(arrays, version))
    found = read_mxnet_params(path)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_file_written_by_hand(tmp_path):
    # One float16 vector [1.0, -2.0] named "w", byte by byte.
    data = bytes.fromhex(
        '1201000000000000 0000000000000000 0100000000000000'  # list magic, reserved, one array
        'c9fa93f9 00000000 01000000 0200000000000000'  # V2, dense, one dimension of 2
        '01000000 00000000 02000000 003c 00c0'  # cpu 0, float16, 1.0, -2.0
        '0100000000000000 0100000000000000 77'  # one name of one character
    )
    path = tmp_path / 'one.params'
    path.write_bytes(data)
    assert read_mxnet_params(path)['w'].tolist() == [1.0, -2.0]


def test_empty_array_has_no_data(tmp_path):
    data = struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<IiI', 0xF993FAC9, 0, 0)
    data += struct.pack('<QQ', 1, 1) + b'e'
    path = tmp_path / 'empty.params'
    path.write_bytes(data)
    assert read_mxnet_params(path)['e'].size == 0


@pytest.mark.parametrize(
    'name, key',
    [
        ('arg:conv1a_weight', 'conv1a.weight'),
        ('arg:res2a_branch1_weight', 'b2.conv_branch1.weight'),
        ('arg:res4b5_branch2b1_weight', 'b4_5.conv_branch2b1.weight'),
        ('arg:bn5b1_branch2a_gamma', 'b5_1.bn_branch2a.weight'),
        ('aux:bn6a_branch2b2_moving_var', 'b6.bn_branch2b2.running_var'),
        ('arg:bn7_beta', 'bn7.bias'),
        ('aux:bn7_moving_mean', 'bn7.running_mean'),
        ('arg:linear1000_weight', None),
        ('arg:bn_data_gamma', None),
    ],
)
def test_renaming(name, key):
    assert rename_mxnet_key(name) == key


def test_params_file_fills_the_model(params_file):
    path, source = params_file
    model = random_model(seed=1)
    PretrainedResNet38(str(path))(model)
    for name, value in weights(source).items():
        assert value.equal(weights(model)[name]), name


@pytest.mark.parametrize('wrapped', [False, True])
def test_pth_file_fills_the_model(tmp_path, wrapped, monkeypatch):
    logged = []
    monkeypatch.setattr(
        'mmws.backbones.resnet38_weights.print_log', lambda message, **_: logged.append(message)
    )
    source = random_model()
    state = {('module.' if wrapped else '') + k: v for k, v in weights(source).items()}
    state['fc8.weight'] = torch.zeros(20, 64, 1, 1)
    path = tmp_path / 'res38.pth'
    torch.save({'state_dict': state, 'epoch': 3} if wrapped else state, path)
    model = random_model(seed=1)
    PretrainedResNet38(str(path))(model)
    for name, value in weights(source).items():
        assert value.equal(weights(model)[name]), name
    assert 'loaded 191 of 191 entries' in logged[0]
    assert 'not used from the file: fc8.weight.' in logged[0]


def test_nothing_initialises_over_the_file(params_file):
    path, source = params_file

    class Model(BaseModule):
        """A parent whose own config would overwrite every convolution."""

        def __init__(self):
            super().__init__(init_cfg=dict(type='Constant', layer='Conv2d', val=7.0))
            init_cfg = dict(type='PretrainedResNet38', checkpoint=str(path))
            self.backbone = ResNet38(1, init_cfg=init_cfg)

    model = Model()
    model.init_weights()
    for name, value in weights(source).items():
        assert value.equal(weights(model.backbone)[name]), name


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no file .*nothing.pth'):
        PretrainedResNet38(str(tmp_path / 'nothing.pth'))(ResNet38(1))


def test_file_of_another_model(tmp_path):
    path = tmp_path / 'resnet50.pth'
    torch.save({'layer1.0.conv1.weight': torch.zeros(1)}, path)
    with pytest.raises(ValueError, match='191 of 191 entries .* the first conv1a.weight'):
        PretrainedResNet38(str(path))(ResNet38(1))


def test_file_of_another_width(params_file):
    path, _ = params_file
    message = r'conv1a.weight has shape \(1, 3, 3, 3\), the model needs \(2, 3, 3, 3\)'
    with pytest.raises(ValueError, match=message):
        PretrainedResNet38(str(path))(ResNet38(2))


def test_nan_is_refused(tmp_path):
    source = random_model()
    source.bn7.bias.data[3] = float('nan')
    path = tmp_path / 'nan.pth'
    torch.save(source.state_dict(), path)
    with pytest.raises(ValueError, match='1 of 191 weights in .*nan.pth hold NaN.*bn7.bias'):
        PretrainedResNet38(str(path))(ResNet38(1))


def test_cut_file(params_file):
    path, _ = params_file
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ValueError, match='model-0001.params is not a readable MXNet'):
        PretrainedResNet38(str(path))(ResNet38(1))


def test_other_bytes(tmp_path):
    path = tmp_path / 'page.params'
    path.write_bytes(b'<!DOCTYPE html><html>not here</html>')
    with pytest.raises(ValueError, match='it begins with .* instead of 0x112'):
        read_mxnet_params(path)
    path = path.rename(tmp_path / 'page.pth')
    with pytest.raises(ValueError, match='is not a weight file that torch can load safely'):
        PretrainedResNet38(str(path))(ResNet38(1))


def test_sparse_array(tmp_path):
    path = tmp_path / 'sparse.params'
    path.write_bytes(struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<IiI', 0xF993FAC9, 1, 0))
    with pytest.raises(ValueError, match='storage type 1; only dense'):
        read_mxnet_params(path)
