import errno
import os
from pathlib import Path

import pytest

from mmws.files.atomic_write import write_atomically


def test_write_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / 'deep/er/file.png'
    write_atomically(path, b'old')

    def stopped(source, target):
        raise OSError(errno.EIO, 'stopped')

    monkeypatch.setattr(os, 'replace', stopped)
    with pytest.raises(OSError, match='stopped'):
        write_atomically(path, b'new')
    assert path.read_bytes() == b'old'
    assert [p.name for p in path.parent.iterdir()] == ['file.png']


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Path, 'write_bytes', full)
    with pytest.raises(OSError, match='no space left while writing .*a.png.*run the same command'):
        write_atomically(tmp_path / 'a.png', b'x')


@pytest.mark.parametrize('links', [True, False])
def test_the_first_stays_where_it_is_not_to_be_replaced(tmp_path, monkeypatch, links):
    def refuse(source, target):
        raise PermissionError(errno.EPERM, 'Operation not permitted')

    if not links:  # a file system without them: the last one stays then
        monkeypatch.setattr(os, 'link', refuse)
    for content in (b'first', b'second'):
        write_atomically(tmp_path / 'a.json', content, replace=False)
    assert (tmp_path / 'a.json').read_bytes() == (b'first' if links else b'second')
    assert [path.name for path in tmp_path.iterdir()] == ['a.json']
