import multiprocessing
import os
import zipfile
from pathlib import Path

import pytest

from mmws.files.storage import files_in, is_folder, pack_folder, read_bytes
from mmws.files.zip_folder import path_in_zip

FILES = {f'{folder}{i}.png': os.urandom(3000 + i) for folder in ('', 'ä b/') for i in range(40)}


@pytest.fixture
def folder(tmp_path):
    for name, content in {**FILES, '.hidden': b'x', 'seed.json': b'{}'}.items():
        (tmp_path / 'seeds' / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / 'seeds' / name).write_bytes(content)
    return tmp_path / 'seeds'


@pytest.fixture
def archive(folder):
    assert pack_folder(folder, f'{folder}.zip') == len(FILES) + 1
    return f'{folder}.zip'


def read_all(archive):
    return all(read_bytes(f'{archive}/{name}') == FILES[name] for name in FILES)


def test_an_archive_is_read_as_the_folder(archive, folder):
    assert set(files_in(archive)) == {*FILES, 'seed.json'} == set(files_in(folder))
    assert read_all(archive)
    assert is_folder(archive) and is_folder(f'{archive}/ä b') and not is_folder(f'{archive}/c')
    assert set(files_in(f'{archive}/ä b')) == {f'{i}.png' for i in range(40)}
    with pytest.raises(FileNotFoundError, match='there is no 40.png in .*seeds.zip'):
        read_bytes(f'{archive}/40.png')
    (folder / 'folder.zip').mkdir()
    assert path_in_zip(folder / 'folder.zip/x.png') is None
    pack_folder(folder / 'ä b', folder / 'folder.zip/b.zip')
    assert read_bytes(folder / 'folder.zip/b.zip/0.png') == FILES['ä b/0.png']


def test_the_same_files_give_the_same_archive(archive, folder):
    pack_folder(folder, folder.with_name('again.zip'))
    assert folder.with_name('again.zip').read_bytes() == Path(archive).read_bytes()
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
    (folder / 'empty').mkdir()
    with pytest.raises(ValueError, match='empty holds no file'):
        pack_folder(folder / 'empty', folder / 'x.zip')
    assert not (folder / 'x.zip').exists()


def test_processes_that_are_forked_while_it_is_open(archive):
    assert read_all(archive)
    with multiprocessing.get_context('fork').Pool(4) as pool:
        assert all(pool.map(read_all, [archive] * 40, chunksize=1))


def test_one_that_is_replaced_is_opened_anew(archive, folder):
    assert read_bytes(f'{archive}/0.png') == FILES['0.png']
    (folder / '0.png').write_bytes(b'other')
    pack_folder(folder, archive)
    assert read_bytes(f'{archive}/0.png') == b'other'


def test_archives_of_other_programs(folder):
    path = folder.with_name('theirs.zip')
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as packed:
        packed.writestr('irn/', b'')
        for name in ('__MACOSX/irn/._0.png', 'irn/0.png'):
            packed.writestr(name, FILES['0.png'])
    assert list(files_in(path / 'irn')) == ['0.png']
    assert read_bytes(path / 'irn/0.png') == FILES['0.png']


def test_what_cannot_be_read_is_named(archive, folder):
    content = Path(archive).read_bytes()
    for damaged, message in (
        (content[:5000], 'x.zip is no zip archive, or is cut off'),
        (bytes(3000) + content[3000:], 'x.zip is damaged at 0.png'),
    ):
        folder.with_name('x.zip').write_bytes(damaged)
        with pytest.raises(ValueError, match=message):
            read_bytes(folder.with_name('x.zip') / '0.png')
    with zipfile.ZipFile(folder.with_name('y.zip'), 'w', zipfile.ZIP_BZIP2) as packed:
        packed.writestr('0.png', b'x')
    with pytest.raises(ValueError, match='0.png in .*y.zip is .*compressed in a way .*mmws pack'):
        list(files_in(folder.with_name('y.zip')))
