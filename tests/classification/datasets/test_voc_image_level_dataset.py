"""Labels from XML: the difficult rule, and every way in which a tree can be wrong."""

import pytest

from mmws.classification import VOCImageLevelDataset

PERSON, DOG, CAT, SOFA, TVMONITOR, AEROPLANE, CAR = 14, 11, 7, 17, 19, 0, 6


def labels(dataset):
    return {s['image_id']: s['gt_label'] for s in map(dataset.get_data_info, range(len(dataset)))}


@pytest.mark.parametrize(
    'difficult, a, b',
    [
        ('if_alone', [PERSON], [CAT, SOFA]),
        ('keep', [DOG, PERSON], [CAT, SOFA]),
        ('drop', [PERSON], None),
    ],
)
def test_difficult_rule(voc_tree, difficult, a, b):
    dataset = VOCImageLevelDataset(
        'ImageSets/train.txt', str(voc_tree), difficult=difficult, unlabelled='skip'
    )
    expected = {'a': a, 'b': b, 'c': [AEROPLANE, TVMONITOR], 'd': [CAR]}
    assert labels(dataset) == {k: v for k, v in expected.items() if v is not None}


def build(root, **kwargs):
    return VOCImageLevelDataset('ImageSets/train.txt', str(root), **kwargs)


@pytest.mark.parametrize(
    'file, content, error, message',
    [
        ('ImageSets/train.txt', 'a\nz\n', FileNotFoundError, '1 of 2 images of .*missing.*z.jpg'),
        ('Annotations/c.xml', None, FileNotFoundError, '1 of 4 XML .*c.xml. Without XML use'),
        ('Annotations/c.xml', '<annotation><object>', ValueError, 'c.xml is not readable XML'),
        (
            'Annotations/d.xml',
            '<annotation><object><name>cart</name></object></annotation>',
            ValueError,
            "d.xml holds an object of the unknown class 'cart'",
        ),
    ],
)
def test_trees_with_a_fault(voc_tree, file, content, error, message):
    (voc_tree / file).unlink()
    if content:
        (voc_tree / file).write_text(content)
    with pytest.raises(error, match=message):
        build(voc_tree)


@pytest.mark.parametrize('option', ['difficult', 'unlabelled'])
def test_wrong_option(voc_tree, option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*; got 'maybe'"):
        build(voc_tree, **{option: 'maybe'})
