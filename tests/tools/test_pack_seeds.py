import numpy as np

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.label_map import encode_label_map, read_label_map


def test_a_folder_becomes_an_archive_once_it_is_complete(tool, tmp_path):
    folder = SeedFolder(tmp_path / 'seeds/a', {'classes': ['cat']})
    folder.prepare()
    labels = np.eye(5, dtype=np.uint8)
    write_atomically(folder.file('x/1'), encode_label_map(labels))
    early = tool('pack_seeds.py', 'seeds/a', cwd=tmp_path)
    assert early.returncode and 'seeds/a is not complete (seed.json says so)' in early.stderr
    folder.complete(['x/1'])
    done = tool('pack_seeds.py', 'seeds/a', cwd=tmp_path)
    assert done.returncode == 0 and 'a.zip: 2 files, 0.0 MB' in done.stdout
    assert (read_label_map(tmp_path / 'seeds/a.zip/x/1.png') == labels).all()
    # What the seeds are travels with them.
    assert SeedFolder(tmp_path / 'seeds/a.zip', {}).stored_recipe() == {'classes': ['cat']}
    tool('pack_seeds.py', 'seeds/a', '--out', 'elsewhere', cwd=tmp_path)
    assert (tmp_path / 'elsewhere/a.zip').read_bytes() == (tmp_path / 'seeds/a.zip').read_bytes()
    wrong = tool('pack_seeds.py', 'seeds/b', cwd=tmp_path)
    assert wrong.returncode and 'there is no folder seeds/b' in wrong.stderr
