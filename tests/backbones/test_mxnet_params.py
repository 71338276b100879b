"""The reader of MXNet files, against bytes packed here field by field."""

import struct

import numpy as np
import pytest

from mmws.backbones.mxnet_params import read_mxnet_params

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


@pytest.fixture
def read(tmp_path):
    def read(content):
        (tmp_path / 'some.params').write_bytes(content)
        return read_mxnet_params(tmp_path / 'some.params')

    return read


@pytest.mark.parametrize('version', [0, 1, 2])
def test_every_version_and_type_is_read(read, version):
    rng = np.random.default_rng(0)
    arrays = {
        f'arg:{name}': rng.integers(0, 100, (2, 3, version + 1)).astype(name) for name in FLAGS
    }
    found = read(pack_file(arrays, version))
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_empty_array_has_no_data(read):
    data = struct.pack('<QQQ', 0x112, 0, 1) + struct.pack('<IiI', 0xF993FAC9, 0, 0)
    assert read(data + struct.pack('<QQ', 1, 1) + b'e')['e'].size == 0


_ONE = struct.pack('<QQQ', 0x112, 0, 1)
_CPU = struct.pack('<iii', 1, 0, 0)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'<!DOCTYPE html><html>not here</html>', 'it begins with .* instead of 0x112'),
        (b'', 'unpack_from requires a buffer'),
        (pack_file({'w': np.ones(9, 'f4')})[:-30], 'buffer is smaller'),
        (pack_file({'w': np.ones(9, 'f4')})[:-1], 'buffer is smaller'),
        (_ONE + struct.pack('<IiI', 0xF993FAC9, 1, 0), 'storage type 1; only dense'),
        (_ONE + struct.pack('<I', 99), 'an array with 99 dimensions'),
        (_ONE + struct.pack('<III', 2, 2**31, 2**31) + _CPU, 'buffer|large'),
        (_ONE + struct.pack('<IIiii', 1, 1, 1, 0, 7), 'of the unknown type 7'),
    ],
)
def test_other_bytes(read, content, message):
    with pytest.raises(ValueError, match=rf'some.params is not a readable MXNet.*{message}'):
        read(content)
