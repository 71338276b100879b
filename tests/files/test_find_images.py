import pytest

from mmws.files.find_images import find_images, images_by_id


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'x')


def test_ids_are_paths_without_suffix_and_hidden_files_are_left_out(tmp_path):
    touch(tmp_path, 'one/a.jpg', 'one/.hidden.jpg', '.git/b.jpg', 'notes.txt')
    found = find_images(tmp_path, ('.jpg',))
    assert found.images == {'one/a': str(tmp_path / 'one/a.jpg')}
    assert found.skipped == [str(tmp_path / 'notes.txt')]
    touch(tmp_path, 'one/a.png')
    with pytest.raises(ValueError, match='have the same name without suffix, one/a'):
        find_images(tmp_path, ('.jpg', '.png'))


def test_linked_folders_count_and_circles_end(tmp_path):
    touch(tmp_path, 'elsewhere/b.jpg', 'images/a.jpg')
    (tmp_path / 'images/link').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'images/up').symlink_to(tmp_path / 'images')
    (tmp_path / 'elsewhere/back').symlink_to(tmp_path / 'images')
    assert find_images(tmp_path / 'images').images.keys() == {'a', 'link/b'}


def test_a_suffix_may_be_more_than_an_ending(tmp_path):
    touch(tmp_path, 'aachen/1_left.png', 'aachen/1_right.png', 'größe 1.JPG')
    assert images_by_id(tmp_path, '_left.png') == {'aachen/1': str(tmp_path / 'aachen/1_left.png')}
    assert images_by_id(tmp_path).keys() == {'aachen/1_left', 'aachen/1_right', 'größe 1'}
    with pytest.raises(ValueError, match='holds no image. Is --image-suffix right'):
        images_by_id(tmp_path, '.tif')
    with pytest.raises(FileNotFoundError, match='there is no folder .*nowhere'):
        images_by_id(tmp_path / 'nowhere')
