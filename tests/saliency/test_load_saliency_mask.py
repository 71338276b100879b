import numpy as np
import pytest
from PIL import Image

from mmws.saliency import LoadSaliencyMask


def load(path, pixels, *, mode=None, source='grey', **results):
    image = Image.fromarray(np.asarray(pixels, np.uint8), mode)
    if mode == 'P':
        image.putpalette([0, 0, 0, 9, 9, 9] + 762 * [7])
    image.save(path)
    results = dict(seg_map_path=str(path), seg_fields=[], **results)
    return LoadSaliencyMask(source)(results)


def test_grey_masks_are_cut_in_the_middle(tmp_path):
    results = load(tmp_path / 'a.png', [[0, 127, 128, 255]])
    assert results['gt_seg_map'].tolist() == [[0, 0, 1, 1]]
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['seg_fields'] == ['gt_seg_map']
    assert not load(tmp_path / 'a.png', np.zeros((2, 2)))['gt_seg_map'].any()


def test_colour_masks_and_jpegs_work_too(tmp_path):
    grey = np.kron([[0, 255]], np.ones((16, 16), int))
    colour = np.stack([grey] * 3, 2)
    for name in ('a.png', 'a.jpg'):
        results = load(tmp_path / name, colour)
        assert (results['gt_seg_map'] == grey // 255).all()


def test_label_maps_lose_their_classes(tmp_path):
    results = load(tmp_path / 'a.png', [[0, 1, 20, 255]], mode='P', source='labels')
    assert results['gt_seg_map'].tolist() == [[0, 1, 1, 255]]


def test_mistakes_are_named(tmp_path):
    with pytest.raises(ValueError, match='a.png is 3 x 2 pixels, its image 2 x 3.*EXIF'):
        load(tmp_path / 'a.png', np.zeros((2, 3)), ori_shape=(3, 2))
    with pytest.raises(ValueError, match='brightest pixel .*a.png is 20.*source=.labels'):
        load(tmp_path / 'a.png', [[0, 20]])
    (tmp_path / 'b.png').write_bytes(b'no image')
    with pytest.raises(ValueError, match='the mask .*b.png is no image'):
        LoadSaliencyMask()(dict(seg_map_path=str(tmp_path / 'b.png'), seg_fields=[]))
    with pytest.raises(ValueError, match="source must be 'grey' or 'labels'; got 'color'"):
        LoadSaliencyMask('color')


def test_an_image_that_comes_alone_stays_so(tmp_path):
    """As mmseg's inference API passes it; a dataset without masks is told."""
    assert LoadSaliencyMask()(dict(img_path='a.jpg')) == dict(img_path='a.jpg')
    with pytest.raises(KeyError, match='names no mask for a.jpg. Set its data_prefix'):
        LoadSaliencyMask()(dict(img_path='a.jpg', seg_fields=[]))
