"""Labels from a text list."""

import pytest

from mmws.classification import ListImageLevelDataset


def build(root, text, **kwargs):
    (root / 'labels.txt').write_text(text)
    return ListImageLevelDataset('labels.txt', str(root), **kwargs)


def labels(dataset):
    return {s['image_id']: s['gt_label'] for s in map(dataset.get_data_info, range(len(dataset)))}


def test_names_and_indices(voc_tree):
    dataset = build(voc_tree, 'c person aeroplane\na 14 0 14\n')
    assert labels(dataset) == {'c': [0, 14], 'a': [0, 14]}
    assert list(labels(dataset)) == ['c', 'a']


def test_some_of_the_ids(voc_tree):
    (voc_tree / 'some.txt').write_text('d\nb\n')
    dataset = build(voc_tree, 'a 1\nb 2\nc 3\nd 4\n', id_file='some.txt')
    assert labels(dataset) == {'d': [4], 'b': [2]}


def test_ids_with_spaces_and_beyond_ascii(voc_tree):
    for name in ('scan 1', 'scan', 'größe'):
        (voc_tree / f'JPEGImages/{name}.jpg').write_bytes(b'')
    dataset = build(voc_tree, 'scan 1 person\nscan 14 2\ngröße cat\n')
    assert labels(dataset) == {'scan 1': [14], 'scan': [2, 14], 'größe': [7]}


def test_images_without_any_class_are_kept_where_that_is_meant(voc_tree):
    dataset = build(voc_tree, 'a\nb 0\n', classes=['person'], unlabelled='keep')
    assert labels(dataset) == {'a': [], 'b': [0]}
    assert list(labels(build(voc_tree, 'a\nb 0\n', unlabelled='skip'))) == ['b']
    with pytest.raises(ValueError, match="1 of 2 images .* first: a. .*unlabelled='keep' to train"):
        build(voc_tree, 'a\nb 0\n')
    with pytest.raises(ValueError, match='2 of 2 images .*some image must have a class'):
        build(voc_tree, 'a\nb\n', unlabelled='keep')


def test_other_classes(voc_tree):
    dataset = build(voc_tree, 'a disc\nb ring disc\n', classes=['ring', 'disc'])
    assert labels(dataset) == {'a': [1], 'b': [0, 1]}


@pytest.mark.parametrize(
    'text, message',
    [
        (
            'a person\nb persona\n',
            "'b persona': unknown class 'persona'. Use an index from 0",
        ),
        ('a 20\n', "'a 20': unknown class '20'"),
        ('a -1\n', "'a -1': unknown class '-1'"),
        ('a 1\nb 2\na 3\n', 'lists 1 image ids more than once, the first: a'),
    ],
)
def test_wrong_list(voc_tree, text, message):
    with pytest.raises(ValueError, match=message):
        build(voc_tree, text)


def test_id_without_a_line(voc_tree):
    (voc_tree / 'some.txt').write_text('a\nb\n')
    with pytest.raises(FileNotFoundError, match='1 of 2 images of .*some.txt are not in .*: b'):
        build(voc_tree, 'a 1\n', id_file='some.txt')
