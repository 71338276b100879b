import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmws.files.image_file import BadInputError, image_size, read_image, read_saliency

QUARTERS = np.zeros((24, 40, 3), np.uint8)
QUARTERS[:12, :20] = (200, 40, 40)
QUARTERS[:12, 20:] = (40, 180, 60)
QUARTERS[12:, :20] = (30, 60, 200)
QUARTERS[12:, 20:] = (230, 230, 90)
GREY = np.asarray(Image.fromarray(QUARTERS).convert('L'))[..., None]


@pytest.mark.parametrize('mode', ['RGB', 'L', '1', 'P', 'LA', 'RGBA', 'CMYK', 'I;16', 'turned'])
def test_reads_any_mode_as_the_training_pipeline_does(tmp_path, mode):
    path, options = tmp_path / 'a.png', {}
    image, expected = Image.fromarray(QUARTERS), QUARTERS
    if mode in ('CMYK', 'turned'):
        path, options = tmp_path / 'a.jpg', dict(quality=98, subsampling=0)
    if mode == 'turned':
        exif = options['exif'] = Image.Exif()
        exif[0x0112] = 6  # to be turned by a quarter, clockwise
        expected = np.rot90(QUARTERS, -1)
    elif mode == 'I;16':
        image, expected = Image.fromarray(GREY[..., 0].astype(np.uint16) * 256 + 77), GREY
    elif mode == '1':
        image, expected = Image.fromarray(GREY[..., 0] > 100), (GREY > 100) * np.uint8(255)
    elif mode in ('L', 'LA'):
        image, expected = image.convert('L').convert(mode), GREY
    else:
        image = image.quantize(8) if mode == 'P' else image.convert(mode)
    image.save(path, **options)
    found = read_image(path)
    assert found.dtype == np.uint8 and found.shape == (*expected.shape[:2], 3)
    difference = np.abs(found.astype(int) - expected)
    assert np.percentile(difference, 90) <= (12 if path.suffix == '.jpg' else 1)  # edges smear
    assert (found[..., ::-1] == LoadImageFromFile()(dict(img_path=str(path)))['img']).all()


def test_refuses_what_is_not_there(tmp_path):
    for read in (read_image, image_size):
        with pytest.raises(BadInputError, match=r'none\.jpg cannot be read'):
            read(tmp_path / 'none.jpg')


@pytest.mark.parametrize('dtype', [np.float32, np.int32])
def test_refuses_32_bits_and_says_so(tmp_path, dtype):
    Image.fromarray(QUARTERS[..., 0].astype(dtype)).save(tmp_path / 'a.tif')
    with pytest.raises(BadInputError, match='holds .* numbers: save it with 8 or 16 bits'):
        read_image(tmp_path / 'a.tif')


def test_image_size_is_that_of_opencv(tmp_path):
    image, exif = Image.new('RGB', (8, 5)), Image.Exif()
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        image.save(tmp_path / 'x.jpg', exif=exif)
        expected = cv2.imread(str(tmp_path / 'x.jpg')).shape[:2]
        assert image_size(tmp_path / 'x.jpg') == expected


@pytest.mark.parametrize(
    ('mode', 'size', 'message'),
    [
        ('RGB', (3, 2), 'has mode RGB; it must be 8-bit grey'),
        ('P', (3, 2), 'has mode P; it must be 8-bit grey'),
        ('L', (3, 3), 'is 3 x 3 pixels, its image 3 x 2'),
    ],
)
def test_saliency_maps_are_8_bit_grey_and_of_the_image_s_size(tmp_path, mode, size, message):
    image = Image.new(mode, size)
    if mode == 'P':
        image.putpalette([9, 9, 0])
    image.save(tmp_path / 'map.png')
    with pytest.raises(BadInputError, match=message):
        read_saliency(tmp_path / 'map.png', (2, 3))


def test_a_palette_of_greys_is_grey(tmp_path):
    grey = Image.fromarray(np.array([[0, 7, 200]], np.uint8))
    reversed_ = Image.fromarray(np.array([[2, 1, 0]], np.uint8))
    reversed_.putpalette([200] * 3 + [7] * 3 + [0] * 3)
    for image in (grey, reversed_):
        image.save(tmp_path / 'map.png')
        assert read_saliency(tmp_path / 'map.png').tolist() == [[0, 7, 200]]
