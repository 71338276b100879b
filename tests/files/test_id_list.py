import pytest

from mmws.files.id_list import read_ids

IMAGES = {'scan', '1', 'scan 1', 'x', 'y', 'a/x', 'größe', 'x.png', '2007_000032'}


def ids_of(tmp_path, content, images=IMAGES):
    path = tmp_path / 'list.txt'
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_ids(path, images.__contains__)


@pytest.mark.parametrize(
    ('content', 'expected'),
    [
        ('x\ny', ['x', 'y']),
        ('\n  x  \r\n\n\ty\r\n', ['x', 'y']),
        ('\ufeffgröße\n', ['größe']),
        # Spaces belong to the name, whatever else there is.
        ('scan 1\n', ['scan 1']),
        ('scan 1\nx\n', ['scan 1', 'x']),
        ('scan 2\n', ['scan 2']),  # not there, and not taken for another
        ('scan 1\ngone 0\n', ['scan 1', 'gone 0']),
        # Suffixes, which an id may have itself.
        ('x.jpg\n/a/x.JPG\ngone.png\nx.png\n', ['x', 'a/x', 'gone', 'x.png']),
        ('a\\x.jpg', ['a/x']),
        # VOC's lists of a class and of pairs.
        ('x  1\ny -1\n2007_000032  0\n', ['x', 'y', '2007_000032']),
        ('/JPEGImages/x.jpg /SegmentationClassAug/x.png\n', ['x']),
        ('images/a/x.jpg masks/a/x.png\nimages/y.jpg masks/y.png', ['a/x', 'y']),
        ('x.jpg x_mask.png\n', ['x']),
        ('scan 1.jpg scan 1.png\n', ['scan 1']),
        # Not there, and never the x of another folder.
        ('b/x.jpg c/b/x.png\n', ['b/x']),
        ('bonn/x.jpg\n', ['bonn/x']),
    ],
)
def test_forms(tmp_path, content, expected):
    assert ids_of(tmp_path, content) == expected


def test_the_image_in_the_folder_that_is_named_comes_first(tmp_path):
    found = ids_of(tmp_path, 'JPEGImages/x.jpg Masks/x.png\n', {'JPEGImages/x', 'x'})
    assert found == ['JPEGImages/x']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'list.txt is empty'),
        (b'\n \n', 'list.txt is empty'),
        ('x\ny\nx.jpg\n', 'list.txt lists 1 image ids more than once, the first: x'),
        ('größe'.encode('latin1'), 'list.txt is not UTF-8 text but another encoding.*Save it as'),
        ('x\n'.encode('utf-16'), 'list.txt is not UTF-8 text but UTF-16'),
        ('x\n'.encode('utf-16-le'), 'list.txt is not UTF-8 text but UTF-16'),
    ],
)
def test_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        ids_of(tmp_path, content)


def test_no_such_list(tmp_path):
    with pytest.raises(FileNotFoundError, match='the list .*none.txt does not exist'):
        read_ids(tmp_path / 'none.txt', IMAGES.__contains__)
