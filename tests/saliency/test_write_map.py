import io

import cv2
import mmcv
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmws.saliency.write_map import (
    MapJob,
    UnreadableImageError,
    encode_map,
    read_image,
    refine_saliency,
    shrink,
    write_map,
)

# A picture whose four quarters differ, 24 x 40.
QUARTERS = np.zeros((24, 40, 3), np.uint8)
QUARTERS[:12, :20] = (200, 40, 40)
QUARTERS[:12, 20:] = (40, 180, 60)
QUARTERS[12:, :20] = (30, 60, 200)
QUARTERS[12:, 20:] = (230, 230, 90)


def picture(kind, path):
    """Writes the picture in an unusual form; what reading it shall give, RGB."""
    image = Image.fromarray(QUARTERS)
    grey = np.asarray(image.convert('L'))
    if kind == 'grey':
        Image.fromarray(grey).save(path)
        return np.repeat(grey[..., None], 3, 2)
    if kind == 'CMYK':
        image.convert('CMYK').save(path, 'JPEG', quality=98, subsampling=0)
        return QUARTERS
    if kind == 'RGBA':
        alpha = np.full((24, 40, 1), 255, np.uint8)
        alpha[:, ::2] = 0
        Image.fromarray(np.concatenate([QUARTERS, alpha], 2)).save(path)
        return QUARTERS
    if kind == 'palette':
        image.convert('P', palette=Image.Palette.ADAPTIVE, colors=8).save(path)
        return QUARTERS
    if kind == '16 bits':
        cv2.imwrite(str(path), QUARTERS[..., ::-1].astype(np.uint16) * 256 + 77)
        return QUARTERS
    if kind == '16 bits grey':
        cv2.imwrite(str(path), grey.astype(np.uint16) * 256 + 77)
        return np.repeat(grey[..., None], 3, 2)
    if kind == 'grey with alpha':
        Image.fromarray(grey).convert('LA').save(path)
        return np.repeat(grey[..., None], 3, 2)
    if kind == '1 bit':
        Image.fromarray(grey > 100).save(path)
        return np.repeat((grey > 100).astype(np.uint8)[..., None] * 255, 3, 2)
    assert kind == 'EXIF'
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    image.save(path, 'JPEG', exif=exif, quality=98, subsampling=0)
    return np.rot90(QUARTERS, -1)


KINDS = {
    'grey': 'png',
    'CMYK': 'jpg',
    'RGBA': 'png',
    'palette': 'png',
    '16 bits': 'png',
    '16 bits grey': 'png',
    'grey with alpha': 'png',
    '1 bit': 'png',
    'EXIF': 'jpg',
}


@pytest.mark.parametrize('kind', KINDS)
def test_reads_any_mode_as_the_training_pipeline_does(tmp_path, kind):
    path = tmp_path / f'a.{KINDS[kind]}'
    expected = picture(kind, path)
    image = read_image(path)
    assert image.dtype == np.uint8 and image.shape == expected.shape
    tolerance = 12 if path.suffix == '.jpg' else 1
    difference = np.abs(image[..., ::-1].astype(int) - expected)
    assert np.percentile(difference, 90) <= tolerance  # JPEG smears the edges
    assert (image == LoadImageFromFile()(dict(img_path=str(path)))['img']).all()


@pytest.mark.parametrize('content', [b'', b'not an image', b'\xff\xd8\xff\xe0broken'])
def test_refuses_what_is_no_image(tmp_path, content):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=r'a\.jpg'):
        read_image(path)


def test_refuses_what_is_not_there(tmp_path):
    with pytest.raises(UnreadableImageError, match=r'none\.jpg cannot be read'):
        read_image(tmp_path / 'none.jpg')


def test_map_is_8_bit_grey():
    with Image.open(io.BytesIO(encode_map(np.array([[0.0, 0.5, 1.0]])))) as image:
        assert (image.mode, image.size) == ('L', (3, 1))
        assert np.asarray(image).tolist() == [[0, 128, 255]]


def test_writes_without_and_with_crf(tmp_path):
    pytest.importorskip('pydensecrf')
    saliency = np.full((24, 40), 0.2, np.float32)
    saliency[2:11, 2:17] = 0.9  # most of one quarter
    image = mmcv.rgb2bgr(QUARTERS)
    write_map(MapJob(saliency, str(tmp_path / 'sub/plain.png')))
    write_map(MapJob(saliency, str(tmp_path / 'crf.png'), image, dict(iterations=5)))
    plain, refined = (
        np.asarray(Image.open(tmp_path / name)) for name in ('sub/plain.png', 'crf.png')
    )
    assert (plain == np.rint(saliency * 255)).all()
    expected = refine_saliency(QUARTERS, saliency, iterations=5)
    assert (refined == np.rint(expected * 255)).all()
    # The quarter is one colour: the CRF fills it, and leaves the others.
    assert refined[:11, :18].min() > 128 > refined[13:].max()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith('.')] == []


@pytest.mark.parametrize(
    ('size', 'longest', 'expected'),
    [
        ((30, 60), None, (30, 60)),
        ((30, 60), 60, (30, 60)),
        ((30, 60), 20, (10, 20)),
        ((1, 90), 9, (1, 9)),
    ],
)
def test_shrink(size, longest, expected):
    assert shrink(np.zeros((*size, 3), np.uint8), longest).shape[:2] == expected
