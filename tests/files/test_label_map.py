import numpy as np
import pytest
from PIL import Image

from mmws.files.label_map import drop_zero_label, encode_label_map, read_label_map, voc_palette


@pytest.fixture
def labels():
    rng = np.random.default_rng(0)
    return rng.choice([0, 1, 20, 254, 255], size=(37, 53)).astype(np.uint8)


def palette_image(labels):
    image = Image.fromarray(labels).convert('P')
    image.putdata(labels.ravel().tolist())
    image.putpalette([i % 256 for i in range(768)])
    return image


def test_palette_and_grey(tmp_path, labels):
    for image in (Image.fromarray(labels), palette_image(labels)):
        image.save(tmp_path / 'x.png')
        np.testing.assert_array_equal(read_label_map(tmp_path / 'x.png'), labels)


def test_palettes_of_few_colours_keep_their_indices(tmp_path):
    labels = np.array([[0, 1, 2, 3]] * 3, np.uint8)
    palette_image(labels).save(tmp_path / 'x.png', bits=2)
    np.testing.assert_array_equal(read_label_map(tmp_path / 'x.png'), labels)


def test_16_bit(tmp_path, labels):
    Image.fromarray(labels.astype(np.uint16)).save(tmp_path / 'x.png')
    np.testing.assert_array_equal(read_label_map(tmp_path / 'x.png'), labels)
    Image.fromarray(labels.astype(np.uint16) * 100).save(tmp_path / 'x.png')
    with pytest.raises(ValueError, match=r'holds 16-bit numbers, 0\.\.25500; class ids are'):
        read_label_map(tmp_path / 'x.png')


@pytest.mark.parametrize(
    ('mode', 'name', 'what'),
    [
        ('RGB', 'x.tif', 'holds colours .mode RGB., not class ids'),
        ('RGBA', 'x.tif', 'holds colours with an alpha channel, not'),
        ('LA', 'x.tif', 'holds grey with an alpha channel, not'),
        ('F', 'x.tif', 'holds floating-point numbers, not'),
        ('L', 'x.jpg', 'is a JPEG'),
        ('1', 'x.png', 'is a greyscale PNG of fewer than 8 bits'),
    ],
)
def test_what_is_no_class_ids_is_refused(tmp_path, labels, mode, name, what):
    Image.fromarray(labels).convert(mode).save(tmp_path / name)
    with pytest.raises(ValueError, match=f'{name} {what}'):
        read_label_map(tmp_path / name)


def test_a_flipped_bit_is_noticed(tmp_path, labels):
    path = tmp_path / 'x.png'
    Image.fromarray(labels).save(path, compress_level=0)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match='is damaged or cut off'):
        read_label_map(path)


def test_palette_is_voc_s():
    palette = voc_palette()
    by_hand = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128),
               20: (0, 64, 128), 255: (224, 224, 192)}  # fmt: skip
    for label, colour in by_hand.items():
        assert tuple(palette[label]) == colour
    assert len({tuple(colour) for colour in palette.tolist()}) == 256


def test_drop_zero_label_keeps_unknown():
    dropped = drop_zero_label(np.array([[0, 1, 2], [150, 254, 255]], np.uint8))
    assert dropped.dtype == np.uint8
    assert dropped.tolist() == [[255, 0, 1], [149, 253, 255]]


def test_an_encoded_map_is_read_back(tmp_path, labels):
    content = encode_label_map(labels)
    assert content == encode_label_map(labels.copy())
    (tmp_path / 'a.png').write_bytes(content)
    np.testing.assert_array_equal(read_label_map(tmp_path / 'a.png'), labels)
    image = Image.open(tmp_path / 'a.png')
    assert image.mode == 'P'
    np.testing.assert_array_equal(np.asarray(image.convert('RGB')), voc_palette()[labels])


def test_encode_refuses_what_is_no_label_map():
    with pytest.raises(ValueError, match=r'\(H, W\) uint8; got \(3, 3\) int64'):
        encode_label_map(np.zeros((3, 3), np.int64))
