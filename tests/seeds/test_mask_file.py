import numpy as np
import pytest
from PIL import Image

from mmws.seeds.mask_file import read_mask

# Of VOC's colour map, from its documentation.
COLOURS = {
    0: (0, 0, 0),
    1: (128, 0, 0),
    15: (192, 128, 128),
    20: (0, 64, 128),
    255: (224, 224, 192),
}


@pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
def test_colours_of_voc(tmp_path, mode):
    pixels = np.array([list(COLOURS.values())], np.uint8)
    Image.fromarray(pixels).convert(mode).save(tmp_path / 'x.png')
    found = read_mask(tmp_path / 'x.png')
    assert found.form == 'colours' and found.labels.tolist() == [list(COLOURS)]
    pixels[0, 0] = (1, 2, 3)
    Image.fromarray(pixels).save(tmp_path / 'x.png')
    with pytest.raises(ValueError, match=r'not of the palette at 20.0% .* the first: \(1, 2, 3\)'):
        read_mask(tmp_path / 'x.png')


def test_colours_of_another_palette_behind_indices_that_mean_nothing(tmp_path):
    palette = [(9, 9, 9), (200, 10, 10), (10, 200, 10)]
    labels = np.array([[0, 1, 2, 2]])
    image = Image.fromarray(np.array(palette, np.uint8)[labels]).quantize(3)
    image.save(tmp_path / 'x.png')
    assert read_mask(tmp_path / 'x.png', palette).labels.tolist() == labels.tolist()
    assert read_mask(tmp_path / 'x.png').form == 'ids'
