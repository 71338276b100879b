import os
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import LoadAnnotations
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

from mmws.datasets.multi_seed_dataset import seed_datasets

LOAD = [dict(type='LoadImageFromFile')]
STOCK = [*LOAD, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
OWN = [*LOAD, dict(type='LoadMultiSeedAnnotations'), dict(type='PackMultiSeedInputs')]


def seeds_of(sample) -> np.ndarray:
    return sample['data_samples'].gt_seeds.data.numpy()


@pytest.mark.parametrize('pipeline', [STOCK, OWN])
@pytest.mark.parametrize('labels', [dict(seg_map_path='labels'), {}], ids=['labels', 'no labels'])
def test_stock_and_own_pipelines_carry_the_seeds_in_the_given_order(tree, pipeline, labels):
    """The wrapped dataset's own label maps need not exist, and it need not name any."""
    order = ['s2', 's0', 's1']
    stock = dict(data_prefix=dict(img_path='images', **labels))
    dataset = DATASETS.build(tree.config(pipeline, stock, seed_dirs=order))
    sample = dataset[1]
    np.testing.assert_array_equal(seeds_of(sample), tree.seeds('im1')[[2, 0, 1]])
    assert sample['data_samples'].metainfo['seed_present'] == (True,) * 3
    assert dataset.seed_names == order
    assert len(dataset) == 3 and dataset.metainfo['classes'][0] == 'background'
    copied = pickle.loads(pickle.dumps(dataset))  # as for worker processes
    np.testing.assert_array_equal(seeds_of(copied[1]), seeds_of(sample))


def test_lists_are_read_as_the_commands_read_them(tree):
    (tree.root / 'list.txt').write_bytes('\ufeffim1  1\n\nim0 -1\n'.encode())
    dataset = DATASETS.build(tree.config(STOCK))
    assert [dataset.image_id(dataset.get_data_info(i)) for i in range(len(dataset))] == [
        'im1',
        'im0',
    ]
    np.testing.assert_array_equal(seeds_of(dataset[0]), tree.seeds('im1'))
    assert dataset.ann_file == str(tree.root / 'list.txt')


def test_a_list_may_repeat_an_image(tree):
    (tree.root / 'list.txt').write_text('im1\nim1\nim0\n')
    assert len(DATASETS.build(tree.config(STOCK))) == 3


def test_a_dataset_with_a_list_of_its_own_reads_it(tree):
    class Table(BaseSegDataset):
        def load_data_list(self):
            names = [line.split(',')[1] for line in Path(self.ann_file).read_text().split()]
            folder = self.data_prefix['img_path']
            return [dict(img_path=f'{folder}/{name}.jpg', seg_fields=[]) for name in names]

    (tree.root / 'list.txt').write_text('7,im2,\n9,im0,\n')
    config = tree.config(STOCK, dict(type=Table, data_prefix=dict(img_path='images')))
    np.testing.assert_array_equal(seeds_of(DATASETS.build(config)[1]), tree.seeds('im0'))


def test_subfolders_and_suffixes_as_in_cityscapes(tree, tmp_path):
    root = tmp_path / 'city'
    for folder, end in (('img/aachen', '_leftImg8bit.png'), ('sa/aachen', '_gtFine_ids.png')):
        (root / folder).mkdir(parents=True)
        shape = (4, 4, 3) if 'img' in folder else (4, 4)
        Image.fromarray(np.ones(shape, np.uint8)).save(root / folder / f'x{end}')
    stock = dict(
        data_root=str(root),
        ann_file='',
        data_prefix=dict(img_path='img', seg_map_path='gt'),
        img_suffix='_leftImg8bit.png',
        seg_map_suffix='_gtFine_ids.png',
    )
    dataset = DATASETS.build(tree.config(STOCK, stock, seed_root=str(root), seed_dirs=['sa']))
    assert seeds_of(dataset[0]).max() == 1
    (root / 'sa/aachen/x_gtFine_ids.png').rename(root / 'sa/aachen/x.png')
    renamed = tree.config(STOCK, stock, seed_root=str(root), seed_dirs=['sa'], seed_suffix='.png')
    assert seeds_of(DATASETS.build(renamed)[0]).max() == 1


@pytest.mark.parametrize('reduce', [False, True])
@pytest.mark.parametrize('subset', [False, True])
def test_one_seed_is_what_stock_load_annotations_makes_of_it(tree, reduce, subset):
    class Numbers(BaseSegDataset):
        METAINFO = dict(classes=tuple(map(str, range(255))), palette=[[i] * 3 for i in range(255)])

    every_label = np.resize(np.arange(256), (48, 64))
    tree.write(0, 'im0', every_label)
    (tree.root / 'list.txt').write_text('im0\n')
    stock = dict(
        type=Numbers,
        data_prefix=dict(img_path='images', seg_map_path='seeds/s0'),
        reduce_zero_label=reduce,
        metainfo=dict(classes=('7', '0', '3', '200')) if subset else None,
    )
    expected = DATASETS.build(tree.stock(STOCK, **stock))[0]['data_samples'].gt_sem_seg.data
    for seed_dirs in (['s0'], None):
        config = tree.config(STOCK, stock, seed_dirs=seed_dirs)
        sample = DATASETS.build(config)[0]['data_samples']
        np.testing.assert_array_equal(sample.gt_seeds.data, expected)
        np.testing.assert_array_equal(sample.gt_sem_seg.data, expected)
    # 255 and 0 fall together where 0 is dropped.
    assert len(np.unique(expected)) == (5 if subset else 256 - reduce)


def wrapped(inner, kind):
    if kind == 'ConcatDataset':
        return dict(type=kind, datasets=[inner, inner])
    options = dict(times=2) if kind == 'RepeatDataset' else dict(oversample_thr=0.9)
    return dict(type=kind, dataset=inner, **options)


@pytest.mark.parametrize('outside', [False, True])
@pytest.mark.parametrize('kind', ['ConcatDataset', 'RepeatDataset', 'ClassBalancedDataset'])
def test_wrappers_of_the_host(tree, kind, outside):
    """Around a MultiSeedDataset or in it; class 4 is rare, so that its image is repeated."""
    for k in range(3):
        for image_id in tree.ids:
            seed = tree.seeds(image_id)[k]
            seed[seed == 4] = 3
            tree.write(k, image_id, seed)
    labels = tree.seeds('im2')[1]
    labels[3, 5] = 4
    tree.write(1, 'im2', labels)
    config = tree.config(STOCK)
    if outside:
        config = wrapped(config, kind)
    else:
        config['dataset'] = wrapped(config['dataset'], kind)
    dataset = DATASETS.build(config)
    # sqrt(0.9 / (1 / 3)) = 1.6, rounded up.
    length = 4 if kind == 'ClassBalancedDataset' else 6
    assert len(dataset) == length and dataset.metainfo['classes'][4] == 'd'
    np.testing.assert_array_equal(seeds_of(dataset[length - 1]), tree.seeds('im2'))
    assert dataset.get_data_info(0)['img_path'].endswith('im0.jpg')


def test_what_a_wrapper_asks_of_a_dataset(tree):
    class Asked(BaseSegDataset):
        def get_cat_ids(self, idx):
            return [idx]

    dataset = DATASETS.build(tree.config(STOCK))
    assert dataset.get_cat_ids(1) == [0, 1, 2, 3, 4]
    reduced = tree.config(STOCK, dict(ignore_index=2))
    assert DATASETS.build(reduced).get_cat_ids(1) == [0, 1, 3, 4]
    assert DATASETS.build(tree.config(STOCK, dict(type=Asked))).get_cat_ids(2) == [2]
    subset = dataset.get_subset([2, 0])
    np.testing.assert_array_equal(seeds_of(subset[0]), tree.seeds('im2'))
    assert (len(subset), len(dataset)) == (2, 3)
    dataset.get_subset_(1)
    assert len(dataset) == 1 and dataset.ann_file.endswith('list.txt')
    assert not hasattr(dataset, 'no_such')


def mosaic_of(dataset, more=()):
    steps = [
        dict(type='RandomMosaic', prob=1.0, img_scale=(32, 32)),
        *more,
        dict(type='PackSegInputs'),
    ]
    return dict(type='MultiImageMixDataset', dataset=dataset, pipeline=steps)


@pytest.mark.parametrize('more', [[], [dict(type='RandomFlip', prob=1.0)]])
def test_mosaic_mixes_seeds_as_it_mixes_labels(tree, more):
    """The reference: each seed as the label map of a stock dataset, with the same dice."""
    config = tree.config([*LOAD, dict(type='LoadAnnotations')])
    config['dataset'] = mosaic_of(config['dataset'], more)
    dataset = DATASETS.build(config)
    random.seed(1), np.random.seed(1)
    sample = dataset[0]
    assert seeds_of(sample).shape == (3, 64, 64) and sample['inputs'].shape == (3, 64, 64)
    for k in range(3):
        prefix = dict(img_path='images', seg_map_path=f'seeds/s{k}')
        load = tree.stock([*LOAD, dict(type='LoadAnnotations')], data_prefix=prefix)
        stock = DATASETS.build(mosaic_of(load, more))
        random.seed(1), np.random.seed(1)
        expected = stock[0]['data_samples'].gt_sem_seg.data[0]
        np.testing.assert_array_equal(seeds_of(sample)[k], expected)


def test_a_mixing_transform_that_leaves_the_seeds_behind_is_refused(tree):
    class MixLabels:
        def get_indices(self, dataset):
            return [1]

        def __call__(self, results):
            results['gt_seg_map'] = results['mix_results'][0]['gt_seg_map']
            return results

    TRANSFORMS.register_module(module=MixLabels, force=True)
    config = tree.config([*LOAD, dict(type='LoadAnnotations')])
    steps = [dict(type='MixLabels'), STOCK[-1]]
    config['dataset'] = dict(type='MultiImageMixDataset', dataset=config['dataset'], pipeline=steps)
    with pytest.raises(ValueError, match='MixLabels mixes gt_seg_map but not the seeds'):
        DATASETS.build(config)[0]


def test_a_mosaic_of_images_with_different_seeds_is_refused(tree):
    load = [*LOAD, dict(type='LoadAnnotations')]
    config = tree.config(load)
    several = [config['dataset'], tree.config(load, seed_dirs=['s0'])]
    config['dataset'] = mosaic_of(dict(type='ConcatDataset', datasets=several))
    with pytest.raises(ValueError, match=r'same number of seeds of each.*have \[1, 3\]'):
        DATASETS.build(config)
    tree.seed_path(1, 'im0').unlink()
    config = tree.config(load, allow_missing=True)
    config['dataset'] = mosaic_of(config['dataset'])
    with pytest.raises(ValueError, match='1 images lack some .* MultiImageMixDataset would join'):
        DATASETS.build(config)


def test_allow_missing(tree):
    tree.seed_path(1, 'im0').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 9 seed maps .* in 1 of 3 .*s1/im0.png'):
        DATASETS.build(tree.config(STOCK))
    sample = DATASETS.build(tree.config(STOCK, allow_missing=True))[0]
    assert sample['data_samples'].metainfo['seed_present'] == (True, False, True)
    assert (seeds_of(sample)[1] == 255).all()
    tree.seed_path(0, 'im0').unlink()
    tree.seed_path(2, 'im0').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 3 images have no seed at all.*im0.png'):
        DATASETS.build(tree.config(STOCK, allow_missing=True))


class OwnLoader(LoadAnnotations):
    pass


@pytest.mark.parametrize(
    ('pipeline', 'message'),
    [
        (['LoadMultiSeedAnnotations', *STOCK[1:]], 'must load label maps once'),
        (['PackMultiSeedInputs'], 'must load label maps once'),
        (['LoadAnnotations'], 'does not end with PackSegInputs or PackMultiSeedInputs'),
        ([OwnLoader, 'PackSegInputs'], 'OwnLoader loads label maps in its own way'),
        (
            [dict(type='LoadAnnotations', reduce_zero_label=True), 'PackSegInputs'],
            r'LoadAnnotations\(reduce_zero_label=True\) but the data',
        ),
        (['LoadMultiSeedAnnotations', 'PackSegInputs'], None),
        (['LoadAnnotations', 'PackMultiSeedInputs'], None),
    ],
)
def test_half_written_pipelines(tree, pipeline, message):
    pipeline = [step if isinstance(step, dict) else dict(type=step) for step in pipeline]
    config = tree.config([*LOAD, *pipeline])
    if message is None:
        assert seeds_of(DATASETS.build(config)[0]).shape == (3, 48, 64)
        return
    with pytest.raises(ValueError, match=message):
        DATASETS.build(config)


MANY = dict(classes=[f'c{i}' for i in range(256)], palette=[[i] * 3 for i in range(256)])


@pytest.mark.parametrize(
    ('stock', 'options', 'message'),
    [
        ({}, dict(seed_dirs=['empty']), 'none of the 3 images.*but the folder is empty'),
        (dict(data_prefix=dict(img_path='nope')), {}, 'image folder .*nope does not exist'),
        (dict(data_prefix=dict(img_path='images')), dict(seed_dirs=None), 'names no seg_map_path'),
        (dict(metainfo=MANY), {}, 'has 256 classes.* 8 bits: up to 255'),
        (dict(ann_file='', img_suffix='.tif'), {}, "holds no image.*with the suffix '.tif'"),
        (dict(ann_file='more.txt'), {}, '1 of 2 images do not exist, the first: .*im7.jpg'),
        ({}, dict(seed_dirs=['colours']), 'im0.png holds colours .mode RGB., not class ids'),
    ],
)
def test_what_cannot_be_trained_with_is_refused_at_start(tree, stock, options, message):
    (tree.root / 'seeds/empty').mkdir()
    shutil.copytree(tree.root / 'seeds/s0', tree.root / 'seeds/colours')
    Image.new('RGB', (64, 48)).save(tree.root / 'seeds/colours/im0.png')
    (tree.root / 'more.txt').write_text('im0\nim7\n')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        DATASETS.build(tree.config(STOCK, stock, **options))


def test_a_truncated_jpeg_is_refused_instead_of_filled_with_grey(tree):
    dataset = DATASETS.build(tree.config(STOCK))
    path = tree.root / 'images' / 'im1.jpg'
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match='im1.jpg is damaged or cut off'):
        dataset[1]
    dataset[0]
    path.write_bytes(b'')
    with pytest.raises(ValueError, match='im1.jpg is an empty file'):
        dataset[1]


def test_a_transform_that_returns_none_is_an_error_not_another_sample(tree):
    dataset = DATASETS.build(tree.config(STOCK))
    dataset.pipeline.transforms.insert(1, lambda results: None)
    with pytest.raises(RuntimeError, match='returned None for .*im0.jpg'):
        dataset[0]


def test_all_paths_are_checked_with_one_scan_per_folder(tree, monkeypatch):
    """At VOC scale a stat per file would be 126,984 of them; see benchmarks/loader.py."""
    scanned, asked = [], []
    scandir, stat = os.scandir, os.stat
    monkeypatch.setattr(os, 'scandir', lambda path: scanned.append(str(path)) or scandir(path))
    monkeypatch.setattr(os, 'stat', lambda path, **kw: asked.append(str(path)) or stat(path, **kw))
    DATASETS.build(tree.config(STOCK))
    for folder in ('images', 'seeds/s0', 'seeds/s1', 'seeds/s2'):
        assert scanned.count(str(tree.root / folder)) == 1
    assert not [path for path in asked if path.endswith(('.png', '.jpg'))]


@pytest.fixture
def mixed(tree):
    """Image 0 with its own mask, images 1 and 2 with three seeds each."""
    (tree.root / 'labelled.txt').write_text('im0\n')
    (tree.root / 'list.txt').write_text('im1\nim2\n')
    (tree.root / 'labels').mkdir()
    tree.seed_path(0, 'im0').rename(tree.root / 'labels' / 'im0.png')
    labelled = tree.config(STOCK, dict(ann_file='labelled.txt'), seed_dirs=None, seed_root='')
    return dict(type='ConcatDataset', datasets=[labelled, tree.config(STOCK)])


def test_each_image_brings_its_own_number_of_seeds(mixed, tree):
    dataset = DATASETS.build(mixed)
    samples = [dataset[i]['data_samples'] for i in range(3)]
    assert [len(s.gt_seeds.data) for s in samples] == [1, 3, 3]
    assert [s.metainfo['seed_present'] for s in samples] == [(True,), (True,) * 3, (True,) * 3]
    # The only seed is its own vote.
    assert (samples[0].gt_seeds.data == samples[0].gt_sem_seg.data).all()
    np.testing.assert_array_equal(samples[2].gt_seeds.data.numpy(), tree.seeds('im2'))
    assert [d.seed_names for d in seed_datasets(dataset)] == [['labels'], ['s0', 's1', 's2']]
    mixed['datasets'][0] = dict(type='RepeatDataset', times=4, dataset=mixed['datasets'][0])
    repeated = DATASETS.build(mixed)
    assert len(repeated) == 6 and len(repeated[3]['data_samples'].gt_seeds.data) == 1
