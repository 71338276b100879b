"""Subsets of VOC: which images are in, the balanced part, and what is written."""

import pytest

from mmws.classification.voc_subset import balanced_images, write_subset


def test_balanced_part_fills_the_rarest_class_first():
    labels = {f'c{i}': ['cat'] for i in range(9)}
    labels |= {f'd{i}': ['dog', 'person'] for i in range(3)} | {'both': ['cat', 'dog']}
    chosen = balanced_images(labels, ['cat', 'dog'], 5)
    assert chosen == [i for i in labels if i in chosen]  # in the order of the list
    assert {'d0', 'd1', 'd2', 'both'} < set(chosen)
    assert sum('cat' in labels[i] for i in chosen) == 5
    assert balanced_images(labels, ['cat', 'dog'], 5) == chosen


@pytest.fixture
def voc(voc_tree):
    (voc_tree / 'ImageSets/Segmentation').mkdir(exist_ok=True)
    for name, ids in (('train_aug', 'abd'), ('val', 'bc')):
        path = voc_tree / f'ImageSets/Segmentation/{name}.txt'
        path.write_text(''.join(f'{image_id}\n' for image_id in ids))
    return voc_tree


def test_a_subset_is_a_data_root(voc, tmp_path, tool):
    out = tmp_path / 'subset'
    command = [voc, '--out', out, '--classes', 'cat', 'sofa', 'person', 'dog']
    command += ['--with', 'cat', 'dog']
    for _ in range(2):  # a second run finds its own links
        done = tool('make_voc_subset.py', *command, '--most', 1, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert f'{out}/ImageSets/Segmentation/val.txt: 1 images' in done.stdout
    lists = out / 'ImageSets'
    # Image a has a person and, difficult, a dog, and no cat; b's objects are all difficult.
    assert (lists / 'train_labels.txt').read_text() == 'b cat sofa\n'
    for name in ('train', 'train_balanced', 'val'):
        assert (lists / f'Segmentation/{name}.txt').read_text() == 'b\n'
    assert (out / 'JPEGImages/b.jpg').samefile(voc / 'JPEGImages/b.jpg')


@pytest.mark.parametrize(
    'classes, need, message',
    [
        (['cat', 'unicorn'], None, "VOC has no class 'unicorn'; it has aeroplane"),
        (['cat'], ['dog'], 'dog must be in an image, but is not among the classes'),
        (['sheep'], None, 'no image of train_aug shows nothing but sheep'),
    ],
)
def test_classes_that_give_nothing(voc, tmp_path, classes, need, message):
    with pytest.raises(ValueError, match=message):
        write_subset(voc, tmp_path / 'subset', classes, need=need)
    assert not (tmp_path / 'subset').exists()


def test_images_that_stand_there_are_not_replaced(voc, tmp_path):
    (tmp_path / 'subset/JPEGImages').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='JPEGImages is there and is no link to'):
        write_subset(voc, tmp_path / 'subset', ['cat', 'sofa'])
