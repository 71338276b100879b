"""The reader of Caffe's files, against messages packed here field by field."""

import numpy as np
import pytest
import torch

from mmws.backbones import PretrainedVGG16, VGG16LargeFOV
from mmws.backbones.caffemodel import read_caffemodel


def varint(number):
    out = b''
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, content):
    """A field of a protobuf message: a number, or bytes with their length."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def new_layer(name, *arrays):
    blobs = b''.join(
        field(7, field(5, array.tobytes()) + field(7, field(1, b''.join(map(varint, array.shape)))))
        for array in arrays
    )
    # A type and a float parameter stand between, which the reader passes over.
    return field(100, field(1, name.encode()) + field(2, b'Convolution') + b'\x9d\x06abcd' + blobs)


def old_layer(name, *arrays):
    blobs = b''
    for array in arrays:
        shape = (1,) * (4 - array.ndim) + array.shape
        numbers = b''.join(field(i, size) for i, size in enumerate(shape, 1))
        blobs += field(6, numbers + field(5, array.tobytes()))
    return field(2, blobs + field(4, name.encode()))


@pytest.mark.parametrize('layer', [new_layer, old_layer])
def test_weights_and_biases_of_both_forms(tmp_path, layer):
    rng = np.random.default_rng(0)
    arrays = {
        'conv1_1': (rng.random((4, 3, 3, 3)).astype('f4'), rng.random(4).astype('f4')),
        'fc7': (rng.random((200, 5)).astype('f4'), rng.random(200).astype('f4')),
    }
    path = tmp_path / 'net.caffemodel'
    path.write_bytes(
        field(1, b'VGG') + layer('relu') + b''.join(layer(n, *a) for n, a in arrays.items())
    )
    found = read_caffemodel(path)
    assert list(found) == ['conv1_1.weight', 'conv1_1.bias', 'fc7.weight', 'fc7.bias']
    for name, (weight, bias) in arrays.items():
        assert np.array_equal(found[f'{name}.weight'], weight)
        assert np.array_equal(found[f'{name}.bias'], bias)


def test_vgg16_of_caffe_is_known_to_take_bgr(tmp_path):
    model = VGG16LargeFOV()
    path = tmp_path / 'vgg16_20M.caffemodel'
    path.write_bytes(
        b''.join(
            new_layer(name, *(v.detach().numpy() for v in conv.parameters()))
            for name, conv in model.named_children()
        )
    )
    other = VGG16LargeFOV()
    with pytest.raises(ValueError, match='trained on BGR'):
        PretrainedVGG16(str(path), images='imagenet')(other)
    PretrainedVGG16(str(path), images='bgr255')(other)
    assert torch.equal(other.conv5_3.weight, model.conv5_3.weight)


@pytest.mark.parametrize(
    'content, message',
    [
        (b'<html>not here</html>', 'is not a readable .caffemodel file'),
        (new_layer('a', np.ones(9, 'f4'))[:-7], 'is not a readable .caffemodel file'),
        (field(1, b'only a name'), 'holds no layer with weights'),
        (b'', 'holds no layer with weights'),
    ],
)
def test_other_bytes(tmp_path, content, message):
    path = tmp_path / 'net.caffemodel'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_caffemodel(path)
