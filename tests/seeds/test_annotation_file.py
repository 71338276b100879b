import json
import sys

import numpy as np
import pytest

from mmws.seeds.annotation_file import (
    Annotation,
    Region,
    fill_polygon,
    paint,
    read_annotation,
    read_annotations,
)

SIZE = (6, 8)
LABELS = {'cat': 1, 'dog': 2}


def painted(*regions, **options):
    return paint(Annotation('COCO', '', SIZE, list(regions)), SIZE, LABELS.__getitem__, **options)


def test_a_pixel_belongs_to_the_polygon_that_holds_its_centre():
    seed = np.zeros(SIZE, np.uint8)
    fill_polygon(seed, np.array([(1, 1), (5, 1), (5, 4), (1, 4.4)]), 1)
    expected = np.zeros(SIZE, np.uint8)
    expected[1:4, 1:5] = 1
    np.testing.assert_array_equal(seed, expected)
    # A triangle below the diagonal, partly outside.
    fill_polygon(seed := np.zeros(SIZE, np.uint8), np.array([(-4, -4.5), (99, 98.5), (-4, 99)]), 1)
    np.testing.assert_array_equal(seed, np.tri(*SIZE, dtype=np.uint8))
    # A ring: what is inside twice is outside.
    ring = [(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (4, 2), (4, 4), (2, 4), (2, 2)]
    fill_polygon(seed := np.zeros(SIZE, np.uint8), np.array(ring, float), 1)
    assert seed.sum() == 36 - 4 and not seed[2:4, 2:4].any()


def test_regions_cover_earlier_ones_and_doubtful_ones_are_unknown():
    square = np.array([(0, 0), (4, 0), (4, 4), (0, 4)], float)
    regions = [Region('cat', [square, square + 4]), Region('dog', [square + 2], 0.4)]
    seed = painted(*regions)
    assert seed[0].tolist() == [1] * 4 + [0] * 4 and seed[3].tolist() == [1, 1] + [2] * 4 + [0] * 2
    assert painted(*regions, rest=255, ignore_below=0.5)[3].tolist() == [1, 1] + [255] * 6


def test_run_lengths_of_coco(monkeypatch):
    mask = np.zeros(SIZE, np.uint8)
    mask[1:3, 2:7], mask[5, 0] = 1, 1
    turns = [0, *(np.flatnonzero(np.diff(mask.T.ravel())) + 1), mask.size]
    runs = dict(size=list(SIZE), counts=np.diff(turns).tolist())
    np.testing.assert_array_equal(painted(Region('cat', runs)), mask)
    with pytest.raises(ValueError, match='a region has the size'):
        painted(Region('cat', dict(runs, size=[8, 6])))

    short = dict(size=list(SIZE), counts='text')
    with monkeypatch.context() as without:
        without.setitem(sys.modules, 'pycocotools', None)
        with pytest.raises(ValueError, match='pip install pycocotools'):
            painted(Region('cat', short))
    coco = pytest.importorskip('pycocotools.mask')
    short['counts'] = coco.encode(np.asfortranarray(mask))['counts'].decode()
    np.testing.assert_array_equal(painted(Region('cat', short)), mask)


def test_small_regions_of_coco_lie_over_large_ones(tmp_path):
    big = [[0, 0, 8, 0, 8, 6, 0, 6]]
    things = [
        dict(image_id=7, category_id=2, segmentation=[[2, 2, 4, 2, 4, 4, 2, 4]], area=4),
        dict(image_id=7, category_id=1, segmentation=big, area=48),
    ]
    categories = [dict(id=1, name='cat'), dict(id=2, name='dog')]
    images = [dict(id=7, file_name='a\\x.jpg', height=6, width=8), dict(id=8, file_name='y.png')]
    content = dict(images=images, annotations=things, categories=categories)
    (tmp_path / 'x.json').write_text(json.dumps(content))
    found = read_annotations(tmp_path / 'x.json')
    assert list(found) == ['a/x', 'y'] and found['y'].size is None
    seed = paint(found['a/x'], SIZE, LABELS.__getitem__)
    assert (seed == 2).sum() == 4 and (seed == 1).sum() == 44
    with pytest.raises(ValueError, match='is of 8x6 pixels, the image 6x8'):
        paint(found['a/x'], SIZE[::-1], LABELS.__getitem__)


POINT = dict(label='cat', points=[[1, 1]], shape_type='point')
RECTANGLE = dict(label='cat', points=[[5, 4], [1, 2]], shape_type='rectangle')
IMAGES = dict(images=[], categories=[])


def test_rectangles(tmp_path):
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(dict(shapes=[RECTANGLE], imageHeight=None, imageWidth=None)))
    found = read_annotation(path)
    assert found.size is None and paint(found, SIZE, LABELS.__getitem__).sum() == 8
    shape = dict(name='rect', x=1, y=2, width=4, height=2)
    region = dict(shape_attributes=shape, region_attributes=dict(type='cat'))
    path.write_text(json.dumps({'k': dict(filename='x.jpg', regions={'0': region})}))
    assert paint(read_annotations(path)['x'], SIZE, LABELS.__getitem__).sum() == 8


@pytest.mark.parametrize(
    ('read', 'content', 'message'),
    [
        (read_annotation, dict(shapes=[POINT]), "shape of the kind 'point'; polygons and rect"),
        (read_annotation, dict(shapes=[dict(label='cat')]), "x.json is damaged .*: KeyError 'poi"),
        (read_annotation, dict(objects=['cat']), 'x.json is damaged .*: AttributeError'),
        (read_annotation, dict(images=[]), 'no annotation of one image: neither "shapes"'),
        (read_annotations, [1], 'neither COCO .* nor VIA'),
        (read_annotations, dict(shapes=[]), 'neither COCO .* nor VIA'),
        (read_annotations, dict(IMAGES, annotations=[dict(id=3)]), 'annotation 3 is a box without'),
        (
            read_annotations,
            dict(IMAGES, annotations=[dict(segmentation=[[1, 2]], category_id=4)]),
            'is damaged or unlike what annotation tools write: KeyError 4',
        ),
        (
            read_annotations,
            dict(
                annotations=[],
                categories=[],
                images=[dict(id=i, file_name='a.jpg') for i in (1, 2)],
            ),
            'x.json lists 1 image ids more than once, the first: a',
        ),
        (
            read_annotations,
            {
                'k': dict(
                    filename='x.jpg', regions=[dict(shape_attributes={}, region_attributes={})]
                )
            },
            'a region of x.jpg has the attributes {}; expected one',
        ),
    ],
)
def test_what_is_refused(read, content, message, tmp_path):
    (tmp_path / 'x.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        read(tmp_path / 'x.json')
    (tmp_path / 'x.json').write_text('{"shapes": [')
    with pytest.raises(ValueError, match='x.json is no JSON file, or is damaged'):
        read(tmp_path / 'x.json')
