"""Labels from masks."""

import numpy as np
import pytest
from PIL import Image

from mmws.classification import LabelMapImageLevelDataset, ListImageLevelDataset


def build(root, **kwargs):
    return LabelMapImageLevelDataset('ImageSets/train.txt', str(root), **kwargs)


def labels(dataset):
    return {s['image_id']: s['gt_label'] for s in map(dataset.get_data_info, range(len(dataset)))}


def test_classes_are_mask_values_less_one(voc_tree):
    assert labels(build(voc_tree)) == {'a': [14], 'b': [7, 17], 'c': [0, 19], 'd': [6]}


def test_list_keeps_the_labels(voc_tree):
    dataset = build(voc_tree)
    dataset.write_list(voc_tree / 'labels.txt')
    text = (voc_tree / 'labels.txt').read_text()
    assert text == 'a person\nb cat sofa\nc aeroplane tvmonitor\nd car\n'
    assert labels(ListImageLevelDataset('labels.txt', str(voc_tree))) == labels(dataset)
    classes = [f'class {i}' for i in range(20)]  # names may hold spaces
    dataset = build(voc_tree, classes=classes)
    dataset.write_list(voc_tree / 'labels.txt')
    again = ListImageLevelDataset('labels.txt', str(voc_tree), classes=classes)
    assert labels(again) == labels(dataset)


def write_mask(root, array):
    Image.fromarray(array).save(root / 'SegmentationClassAug/b.png')


def test_unknown_label(voc_tree):
    write_mask(voc_tree, np.full((4, 4), 21, np.uint8))
    with pytest.raises(ValueError, match='b.png holds the label 21; expected .* 1 to 20'):
        build(voc_tree)


def test_background_only(voc_tree):
    write_mask(voc_tree, np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match='1 of 4 images .* no known class, the first: b'):
        build(voc_tree)
    assert list(labels(build(voc_tree, unlabelled='skip'))) == ['a', 'c', 'd']


def test_missing_mask(voc_tree):
    (voc_tree / 'SegmentationClassAug/c.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 4 label maps .*c.png'):
        build(voc_tree)
