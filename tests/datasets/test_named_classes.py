import pytest
from mmseg.datasets import CityscapesDataset

from mmws.datasets import ShapesDataset
from mmws.datasets.named_classes import named_classes


@pytest.mark.parametrize(
    ('name', 'dataset'),
    [
        ('ShapesDataset', ShapesDataset),
        ('cityscapes', CityscapesDataset),
        ('CityscapesDataset', CityscapesDataset),
    ],
)
def test_a_name_stands_for_a_dataset(name, dataset):
    classes, palette = named_classes(name)
    assert classes == list(dataset.METAINFO['classes'])
    assert [list(c) for c in palette] == [list(c) for c in dataset.METAINFO['palette']]


def test_names_with_commas():
    assert named_classes('background, cat')[0] == ['background', 'cat']


def test_a_number_is_background_and_others_in_colours_that_differ():
    classes, palette = named_classes('3')
    assert classes == ['background', 'class 1', 'class 2']
    assert len(set(map(tuple, palette))) == 3


@pytest.mark.parametrize('name', ['0', '256', 'nothing', 'BaseSegDataset', 'ConcatDataset'])
def test_what_nobody_knows_is_refused(name):
    with pytest.raises(ValueError, match='1 to 255|no classes are known'):
        named_classes(name)
