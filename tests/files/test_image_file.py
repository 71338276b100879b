import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmws.files.image_file import BadInputError, image_size, read_image

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
    difference = np.abs(image.astype(int) - expected)
    assert np.percentile(difference, 90) <= tolerance  # JPEG smears the edges
    assert (image[..., ::-1] == LoadImageFromFile()(dict(img_path=str(path)))['img']).all()


@pytest.mark.parametrize(
    ('content', 'fault'),
    [
        (b'', 'is an empty file, as an interrupted copy leaves it'),
        (b'not an image', 'is no image, or is damaged or cut off near its start'),
        (b'\xff\xd8\xff\xe0broken', r'is damaged or cut off \(.+\): write it again'),
    ],
)
def test_refuses_what_is_no_image(tmp_path, content, fault):
    path = tmp_path / 'a.jpg'
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=rf'a\.jpg {fault}$'):
        read_image(path)


@pytest.mark.parametrize('suffix', ['jpg', 'png'])
def test_says_that_a_file_is_cut_off(tmp_path, suffix):
    path = tmp_path / f'a.{suffix}'
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR) is not None:
        pytest.skip('this OpenCV fills in what is missing')
    with pytest.raises(BadInputError, match=r'damaged or cut off \(image file is truncated'):
        read_image(path)


@pytest.mark.parametrize('dtype', [np.float32, np.int32])
def test_refuses_32_bits_and_says_so(tmp_path, dtype):
    Image.fromarray(QUARTERS[..., 0].astype(dtype)).save(tmp_path / 'a.tif')
    with pytest.raises(BadInputError, match='holds .* numbers: save it with 8 or 16 bits'):
        read_image(tmp_path / 'a.tif')


def test_refuses_what_is_not_there(tmp_path):
    with pytest.raises(BadInputError, match=r'none\.jpg cannot be read'):
        read_image(tmp_path / 'none.jpg')


def test_image_size_is_that_of_opencv(tmp_path):
    image, exif = Image.new('RGB', (8, 5)), Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        image.save(tmp_path / 'x.jpg', exif=exif)
        expected = cv2.imread(str(tmp_path / 'x.jpg')).shape[:2]
        assert image_size(tmp_path / 'x.jpg') == expected
