"""Images and seeds that are packed, behind HTTP, or behind a backend of the user's own."""

import copy
import functools
import pickle
import re
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.fileio import register_backend
from mmengine.fileio.backends import backends, prefix_to_backends
from mmengine.fileio.backends.base import BaseStorageBackend
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import DataLoader

from mmws.files.seed_source import seed_sources
from mmws.files.storage import NotListedError, files_in, is_folder, pack_folder, read_bytes


@pytest.fixture(scope='module')
def http(voc_tree):
    """The address of a server of the tree."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(voc_tree.root))
    server = ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('no_proxy', '127.0.0.1')
        yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


class Shelf(BaseStorageBackend):
    """Files on another machine, below ``shelf://``."""

    root = None

    def __init__(self, bucket='voc'):
        self.bucket = bucket

    def path(self, uri):
        return self.root.parent / uri.removeprefix('shelf://').replace(self.bucket, self.root.name)

    def get(self, uri):
        return self.path(uri).read_bytes()

    def get_text(self, uri, encoding='utf-8'):
        return self.path(uri).read_text(encoding)

    def isdir(self, uri):
        return self.path(uri).is_dir()

    def list_dir_or_file(self, uri, list_dir=True, list_file=True, suffix=None, recursive=False):
        assert recursive and list_file and not list_dir
        for path in self.path(uri).rglob('*'):
            if path.is_file() and path.name.endswith(suffix or ''):
                yield path.relative_to(self.path(uri)).as_posix()


@pytest.fixture
def shelf(voc_tree, monkeypatch):
    """The address of the tree in a backend that is registered here."""
    monkeypatch.setattr(Shelf, 'root', voc_tree.root)
    register_backend('shelf', Shelf, prefixes='shelf', force=True)
    yield 'shelf://voc'
    del backends['shelf'], prefix_to_backends['shelf']


@pytest.fixture
def zips(voc_tree, tmp_path):
    """A folder of the packed seeds."""
    for name in voc_tree.seed_names:
        pack_folder(voc_tree.seed_root / name, tmp_path / f'packed/{name}.zip')
    return tmp_path / 'packed'


def build(cfg, root=None, seed_root=None, **options):
    """The training set, of the tree or from elsewhere."""
    config = cfg.train_dataloader.dataset
    config.pop('type')
    if root is not None:
        dataset = config.dataset
        prefixes = {key: f'{root}/{folder}' for key, folder in dataset.data_prefix.items()}
        dataset.update(type='BaseSegDataset', data_root=None, data_prefix=prefixes)
        dataset.ann_file = dataset.ann_file and f'{root}/{dataset.ann_file}'
        dataset.metainfo = dict(classes=[str(i) for i in range(21)])
    config.update(seed_root=seed_root or config.seed_root, **options)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return DATASETS.build(dict(config, type='mmws.MultiSeedDataset'))


def same_samples(one, other):
    assert len(one) == len(other) == 4
    for i in range(len(one)):
        samples = []
        for dataset in (one, other):
            np.random.seed(i)
            samples.append(dataset[i])
        a, b = samples
        assert (a['inputs'] == b['inputs']).all()
        assert (a['data_samples'].gt_seeds.data == b['data_samples'].gt_seeds.data).all()
        assert a['data_samples'].seed_names == b['data_samples'].seed_names


def test_packed_seeds_are_found_by_the_names_of_their_folders(tiny_cfg, zips):
    packed = build(copy.deepcopy(tiny_cfg), seed_root=str(zips))
    same_samples(packed, build(tiny_cfg))
    # A worker that is spawned gets the paths alone.
    assert len(pickle.dumps(packed)) < 10_000
    loader = DataLoader(packed, 2, num_workers=2, collate_fn=list, multiprocessing_context='fork')
    assert sum(map(len, loader)) == 4


def test_all_from_a_web_server(tiny_cfg, http):
    same_samples(build(copy.deepcopy(tiny_cfg), http, f'{http}/seeds'), build(tiny_cfg))


@pytest.mark.parametrize('options', [{}, {'backend': 'shelf', 'bucket': 'other'}])
def test_all_from_a_registered_backend(tiny_cfg, shelf, voc_tree, options):
    cfg, root = copy.deepcopy(tiny_cfg), shelf
    if options:  # there the name of the bucket is another
        root = 'other'
        cfg.train_dataloader.dataset.dataset.backend_args = options
        for step in cfg.train_dataloader.dataset.dataset.pipeline[:2]:
            step.backend_args = options
    elsewhere = build(cfg, root, f'{root}/seeds')
    same_samples(elsewhere, build(tiny_cfg))
    assert elsewhere.get_cat_ids(0)


def test_a_training_whose_validation_lies_elsewhere_too(tiny_cfg, shelf, tool, tmp_path):
    lists = tiny_cfg.train_dataloader.dataset.dataset.data_root + '/ImageSets/Segmentation'
    for loader in (tiny_cfg.train_dataloader, tiny_cfg.val_dataloader):
        dataset = loader.dataset.get('dataset', loader.dataset)
        # Paths that look like those of this machine.
        prefixes = {key: f'voc/{folder}' for key, folder in dataset.data_prefix.items()}
        dataset.update(type='BaseSegDataset', data_root=None, data_prefix=prefixes)
        dataset.ann_file = f'{lists}/{dataset.ann_file.rpartition("/")[2]}'
        dataset.metainfo = dict(classes=[str(i) for i in range(21)])
        for step in dataset.pipeline[:2]:
            step.backend_args = dict(backend='shelf')
    tiny_cfg.train_dataloader.dataset.seed_root = 'voc/seeds'
    tiny_cfg.dump(tmp_path / 'far.py')
    options = ('--cfg-options', 'train_cfg.max_epochs=1')
    done = tool('train.py', 'far.py', *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'mIoU' in (tmp_path / 'work_dirs/far/report.html').read_text()


def test_seeds_that_are_missing_elsewhere(tiny_cfg, http, shelf, voc_tree):
    config = tiny_cfg.train_dataloader.dataset
    config.seed_dirs = [*voc_tree.seed_names[:2], '../JPEGImages']
    with pytest.raises(FileNotFoundError, match='JPEGImages holds none of the 4 images'):
        build(copy.deepcopy(tiny_cfg), shelf, f'{shelf}/seeds')
    with pytest.raises(FileNotFoundError, match='JPEGImages/2007_train_aug_0.png cannot be read'):
        build(copy.deepcopy(tiny_cfg), http, f'{http}/seeds')
    config.seed_dirs = voc_tree.seed_names
    with pytest.raises(NotListedError, match=r'the files of http.* cannot be listed \(HTTPBackend'):
        build(copy.deepcopy(tiny_cfg), http, f'{http}/seeds', allow_missing=True)
    config.dataset.ann_file = ''
    with pytest.raises(NotListedError, match='name the images in a list'):
        build(copy.deepcopy(tiny_cfg), http, f'{http}/seeds')


def test_places(http, shelf, zips):
    assert is_folder(f'{shelf}/seeds') and not is_folder(f'{shelf}/none')
    assert is_folder(f'{http}/whatever') and not is_folder(str(zips / 'none'))
    with pytest.raises(FileNotFoundError, match='none.png cannot be read .*404'):
        read_bytes(f'{http}/none.png')
    assert sorted(files_in(f'{shelf}/seeds/seed0')) == sorted(files_in(zips / 'seed0.zip'))
    with pytest.raises(ValueError, match='seed0.zip is an archive elsewhere: copy it'):
        seed_sources(f'{http}/seed0.zip')


@pytest.fixture
def check(tool, voc_tree, tmp_path):
    """Check the tree's seeds, from a folder or from elsewhere; give what was printed."""

    def start(seeds, images, *options):
        folders = [f'{seeds}/{name}' for name in voc_tree.seed_names]
        done = tool('check_seeds.py', *folders, '--images', images, *options, cwd=tmp_path)
        return SimpleNamespace(code=done.returncode, text=done.stdout or done.stderr)

    return start


def test_the_check_reads_and_lists_them_too(check, voc_tree, http, shelf, zips):
    images, one = voc_tree.root / 'JPEGImages', ('--workers', 0)
    report = check(voc_tree.seed_root, images, *one)
    assert report.code == 0 and '4 images, 3 seeds' in report.text
    assert check(zips, images, *one).text == report.text
    assert check(f'{shelf}/seeds', f'{shelf}/JPEGImages', *one).text == report.text
    named = ('--backend-args', 'backend=shelf', 'bucket=other', *one)
    assert check('other/seeds', 'other/JPEGImages', *named).text == report.text
    ids = voc_tree.root / 'ImageSets/Segmentation/train_aug.txt'
    refused = check(f'{http}/seeds', f'{http}/JPEGImages', '--list', ids, *one)
    assert refused.code and 'cannot be listed' in refused.text
    listed = ('--list', ids, '--image-suffix', '.jpg', *one)
    assert check(f'{http}/seeds', f'{http}/JPEGImages', *listed).text == report.text
    lacking = check(
        f'{http}/seeds', f'{http}/JPEGImages', *listed[2:], '--list', ids.parent / 'val.txt'
    )
    assert lacking.code and re.search(r'seed0: 3 missing, the first: http.*/seed0/', lacking.text)


def test_tools_take_archives(tool, voc_tree, zips, tmp_path):
    root = voc_tree.root
    scores = []
    pack_folder(voc_tree.seed_root, tmp_path / 'all.zip')
    for seeds in (voc_tree.seed_root, zips, 'all'):
        options = ['--gt', root / 'SegmentationClassAug', '--workers', 0]
        done = tool('eval_seeds.py', seeds, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        scores.append(done.stdout)
    assert scores[0] == scores[1] == scores[2] and 'seed2' in scores[0]
    pack_folder(root / 'SegmentationClassAug', tmp_path / 'gt.zip')
    options = ['--images', root / 'JPEGImages', '--gt', 'gt.zip', '--limit', 1, '--out', 'sheets']
    done = tool('browse_seeds.py', zips, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / 'sheets/2007_train_aug_0.png').width > 400
    options = ['--images', root / 'JPEGImages', '--out', 'both.png']
    done = tool('compare_predictions.py', 'packed/seed0', 'gt', *options, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / 'both.png').is_file(), done.stderr
    done = tool('convert_seeds.py', 'packed/seed0', '--out', 'made', '--workers', 0, cwd=tmp_path)
    assert '4 images made' in done.stdout, done.stderr
    assert len(list((tmp_path / 'made/seed0').glob('*.png'))) == 4
