"""Seeds stay aligned with the image under every transform, or it is refused."""

import random
import sys
import types

import cv2
import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS

from mmws.seeds.vote import vote

LOAD = dict(type='LoadImageFromFile')


def dataset_of(tree, steps, **options):
    pipeline = [LOAD, dict(type='LoadAnnotations'), *steps, dict(type='PackSegInputs')]
    return DATASETS.build(tree.config(pipeline, **options))


def sample_of(tree, steps, **options):
    return dataset_of(tree, steps, **options)[0]


CROP = dict(type='RandomCrop', crop_size=(16, 16), cat_max_ratio=0.9)
SHORTEST = dict(scales=[32, 40], resize_type='ResizeShortestEdge', max_size=90)
GEOMETRY = [
    dict(type='RandomResize', scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='Resize', scale=(90, 70), keep_ratio=False),
    dict(type='Resize', scale=(90, 70), keep_ratio=False, backend='pillow'),
    dict(type='RandomChoiceResize', **SHORTEST),
    dict(type='ResizeShortestEdge', scale=32, max_size=80),
    dict(type='ResizeToMultiple', size_divisor=32),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='RandomFlip', prob=1.0),
    dict(type='RandomFlip', prob=1.0, direction='vertical'),
    dict(type='RandomFlip', prob=1.0, swap_seg_labels=[(1, 2), (3, 4)]),
    dict(type='RandomRotate', prob=1.0, degree=30),
    dict(type='RandomRotFlip', rotate_prob=0.0, flip_prob=1.0),
    dict(type='mmcv.Pad', size=(80, 80), pad_val=dict(img=0, seg=255)),
    dict(type='mmcv.CenterCrop', crop_size=(32, 24)),
    dict(type='mmcv.RandomFlip', prob=1.0),
    dict(type='mmcv.Resize', scale=(32, 24)),
    dict(type='RandomApply', transforms=[dict(type='RandomFlip', prob=1.0)], prob=1.0),
    dict(type='GenerateEdge', edge_width=3),
    dict(type='CLAHE'),
]


@pytest.mark.parametrize(
    'step', GEOMETRY, ids=lambda step: '-'.join([step['type'], *list(step)[2:]])
)
def test_each_seed_moves_as_the_stock_label_map_would(tree, step):
    """The reference: each seed on its own, through the stock pipeline with the same dice."""
    np.random.seed(3)
    sample = sample_of(tree, [step])
    found = sample['data_samples'].gt_seeds.data.numpy()
    assert found.dtype == np.uint8
    pipeline = [LOAD, dict(type='LoadAnnotations'), step, dict(type='PackSegInputs')]
    for k in range(3):
        stock = DATASETS.build(
            tree.stock(pipeline, data_prefix=dict(img_path='images', seg_map_path=f'seeds/s{k}'))
        )
        np.random.seed(3)
        expected = stock[0]
        np.testing.assert_array_equal(found[k], expected['data_samples'].gt_sem_seg.data.numpy()[0])
        np.testing.assert_array_equal(sample['inputs'].numpy(), expected['inputs'].numpy())


@pytest.mark.parametrize('step', [CROP, dict(type='RandomApply', transforms=[CROP], prob=1.0)])
def test_a_crop_that_reads_labels_moves_the_seeds(tree, step):
    assert right(sample_of(tree, [step]), tree)


def test_cut_out_fills_all_seeds(tree):
    step = dict(type='RandomCutOut', prob=1.0, n_holes=1, cutout_shape=(10, 10), seg_fill_in=4)
    sample = sample_of(tree, [step])
    hole = (sample['inputs'].numpy() == 0).all(0)
    assert 40 < hole.sum() <= 110
    inner = hole & np.roll(hole, 1, 0) & np.roll(hole, 1, 1)
    assert (sample['data_samples'].gt_seeds.data.numpy()[:, inner] == 4).all()


@pytest.fixture
def square(tree):
    """Of a square of class 4 in all seeds of the first image."""
    labels = np.zeros((48, 64))
    labels[10:30, 10:50] = 4
    for k in range(3):
        tree.write(k, 'im0', labels)
    return tree


def test_rotation_makes_no_labels_between_labels(square):
    """mmseg's own interpolates them."""
    step = dict(type='RandomRotFlip', rotate_prob=1.0, flip_prob=0.0, degree=30)
    seeds = sample_of(square, [step])['data_samples'].gt_seeds.data.numpy()
    assert np.unique(seeds).tolist() == [0, 4, 255]


def test_edges_come_from_the_vote(square):
    sample = sample_of(square, [dict(type='GenerateEdge', edge_width=3)])
    edges = sample['data_samples'].gt_edge_map.data.numpy()[0]
    assert edges[20, 9:11].all() and not edges[14:26, 14:46].any()


def test_cat_max_ratio_looks_at_the_vote(tree):
    """Left half one class in all seeds: a crop in there is refused ten times over."""
    labels = np.zeros((48, 64))
    labels[:, 44:] = np.arange(20) % 4 + 1
    for k in range(3):
        tree.write(k, 'im0', labels)
    mixed = {}
    for ratio in (0.75, 1.0):
        step = dict(type='RandomCrop', crop_size=(16, 16), cat_max_ratio=ratio)
        dataset = dataset_of(tree, [step])
        labels = [dataset[0]['data_samples'].gt_sem_seg.data for _ in range(200)]
        mixed[ratio] = np.mean([label.flatten().bincount().max() < 192 for label in labels])
    assert mixed[0.75] > 2 * mixed[1.0] > 0


def test_another_label_may_be_the_one_that_does_not_count(tree):
    """In gt_sem_seg it stays, for stock losses; gt_seeds have 255."""
    metainfo = dict(classes=('background', 'a', 'b', 'c'), palette=[[i] * 3 for i in range(4)])
    sample = sample_of(tree, [], stock=dict(ignore_index=4, metainfo=metainfo))['data_samples']
    seeds, original = sample.gt_seeds.data.numpy(), tree.seeds('im0')
    np.testing.assert_array_equal(seeds, np.where(original == 4, 255, original))
    voted = vote(seeds).astype(int)
    np.testing.assert_array_equal(sample.gt_sem_seg.data[0], np.where(voted == 255, 4, voted))
    assert sample.gt_sem_seg.data.dtype.is_signed


# Transforms that mmws does not know. Red and green of an image say where its pixels came from.


def right(sample, tree):
    """Whether each seed has the label of the place where the image's pixel came from."""
    image = sample['inputs'].numpy().transpose(1, 2, 0).astype(float)
    rows, columns = (image[..., 2] / 5).round().astype(int), (image[..., 1] / 4).round().astype(int)
    rows, columns = rows.clip(0, 47), columns.clip(0, 63)
    expected = tree.seeds('im0')[:, rows, columns]
    return (sample['data_samples'].gt_seeds.data.numpy() == expected).mean() > 0.97


def flipped(array):
    return np.ascontiguousarray(array[:, ::-1])


def move_image_and_label(results, move=flipped):
    for key in ('img', 'gt_seg_map'):
        results[key] = move(results[key])
    return results


def move_all(results):
    for key in ('img', *results['seg_fields']):
        results[key] = flipped(results[key])
    return results


def roll_by_dice(results):
    by = random.randint(1, 9), np.random.randint(1, 9) + int(torch.randint(9, ()))
    return move_image_and_label(results, lambda array: np.roll(array, by, axis=(0, 1)))


def crop_where_labels_are(results):
    assert results['gt_seg_map'].dtype == np.uint8 and results['gt_seg_map'].max() == 255
    row = int((results['gt_seg_map'][:20, 0] == 3).argmax())
    for key in ('img', *results['seg_fields']):
        results[key] = results[key][row : row + 20]
    return results


def only_read(results):
    assert set(np.unique(results['gt_seg_map'])) == {0, 1, 2, 3, 4, 255}
    results['img'] = results['img'].copy()
    return results


def widen_type(results):
    results['gt_seg_map'] = results['gt_seg_map'].astype(np.int64)
    return results


class Both:
    """A container of its own, with a stock transform and a foreign one in it."""

    def __init__(self):
        from mmseg.datasets.transforms import RandomCrop

        self.transforms = [RandomCrop((32, 32), cat_max_ratio=0.9), move_image_and_label]

    def __call__(self, results):
        for step in self.transforms:
            results = step(results)
        return results


@pytest.mark.parametrize(
    'step',
    [move_image_and_label, move_all, roll_by_dice, crop_where_labels_are, only_read, widen_type]
    + [Both()],
    ids=lambda step: getattr(step, '__name__', 'Both'),
)
def test_seeds_follow_a_transform_that_mmws_does_not_know(tree, step):
    for seed in range(3):
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
        assert right(sample_of(tree, [step]), tree)


def test_labels_that_look_alike_after_a_flip_do_not_hide_that_seeds_stayed(tree):
    """The vote is background everywhere, before and after; the seeds differ."""
    for k in range(3):
        labels = np.zeros((48, 64))
        labels[20 * k // 2 : 20 * k // 2 + 8, :20] = k + 1
        tree.write(k, 'im0', labels)
    assert right(sample_of(tree, [move_image_and_label]), tree)


def test_albu_moves_image_and_mask(tree, monkeypatch):
    """With the least of albumentations that mmseg needs; 1.3.1 itself was tried by hand."""

    class Transpose:
        def __call__(self, **data):
            if random.random() < 0.5:
                data.update({k: np.ascontiguousarray(data[k].swapaxes(0, 1)) for k in self.keys})
            return data

        keys = ('image', 'mask')

    class Compose:
        def __init__(self, transforms, additional_targets=None):  # OneDL's mmseg names targets
            self.transforms = transforms

        def __call__(self, **data):
            for transform in self.transforms:
                data = transform(**data)
            return data

    class ComposeWithTargets(Compose):
        def add_targets(self, targets):
            for transform in self.transforms:
                transform.keys = (*transform.keys, *targets)

    module = types.SimpleNamespace(Transpose=Transpose)
    transforms = sys.modules['mmseg.datasets.transforms.transforms']
    monkeypatch.setattr(transforms, 'ALBU_INSTALLED', True)
    monkeypatch.setattr(transforms, 'albumentations', module, raising=False)
    for compose in (Compose, ComposeWithTargets):
        monkeypatch.setattr(transforms, 'Compose', compose, raising=False)
        shapes = set()
        for seed in range(6):
            random.seed(seed)
            sample = sample_of(tree, [dict(type='Albu', transforms=[dict(type='Transpose')])])
            assert right(sample, tree)
            shapes.add(sample['inputs'].shape[1:])
        assert len(shapes) == 2


def move_image_alone(results):
    results['img'] = results['img'][:-2]
    return results


def move_by_own_dice(results, dice=np.random.default_rng(0)):  # noqa: B008
    return move_image_and_label(results, lambda array: np.roll(array, dice.integers(1, 40), 1))


def crop_label_and_image_where_labels_are(results):
    labels = results['gt_seg_map'][:20, 0]
    row = int(labels.argsort()[-5])  # of an index map row 15
    assert labels.dtype != np.uint8 or row != 15
    return move_image_and_label(results, lambda array: array[row : row + 20])


def rename_labels(results):
    results['gt_seg_map'] = np.where(results['gt_seg_map'] == 3, 1, results['gt_seg_map'])
    return results


def rename_labels_in_place(results):
    for key in results['seg_fields']:
        results[key][results[key] == 3] = 1
    return results


def load_other_labels(results):
    results['gt_seg_map'] = np.resize(np.arange(5, dtype=np.uint8), (48, 64))
    return results


def interpolate(results):
    return move_image_and_label(results, lambda array: cv2.resize(array, (80, 60)))


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        (move_image_alone, r'image .*im0.jpg is \(46, 64\).*seeds behind'),
        (move_by_own_dice, 'move_by_own_dice moves gt_seg_map alone, and not in the same way'),
        (crop_label_and_image_where_labels_are, 'moves gt_seg_map alone.*it reads labels'),
        (rename_labels, 'rename_labels changes labels of gt_seg_map'),
        (rename_labels_in_place, 'rename_labels_in_place changes labels'),
        (load_other_labels, 'load_other_labels replaced .* uint8 with values 0..4'),
        (interpolate, 'interpolate (stops at|replaced|changes)'),
    ],
    ids=lambda value: getattr(value, '__name__', ''),
)
def test_a_transform_that_leaves_the_seeds_behind_is_refused(tree, step, message):
    with pytest.raises(ValueError, match=message):
        sample_of(tree, [step])


def test_more_bands_than_three(tree):
    def seven_bands(results):
        results['img'] = results['img'][..., [0, 1, 2, 0, 1, 2, 0]].astype(np.float32)
        return results

    resize = dict(type='RandomRelativeResize', ratio_range=(1.0, 1.0))
    steps = [seven_bands, resize, dict(type='RandomFlip', prob=1.0)]
    sample = sample_of(tree, [*steps, dict(type='RandomCrop', crop_size=(32, 32))])
    assert sample['inputs'].shape == (7, 32, 32)
    assert right({**sample, 'inputs': sample['inputs'][:3]}, tree)


def test_bad_seed_files(tree):
    pipeline = [LOAD, dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
    dataset = DATASETS.build(tree.config(pipeline))
    tree.write(1, 'im1', np.zeros((48, 63)))
    with pytest.raises(
        ValueError, match=r's1/im1.png is 63x48 \(width x height\).*im1.jpg is 64x48'
    ):
        dataset[1]
    labels = np.zeros((48, 64))
    labels[3, 3], labels[5, 5] = 5, 17
    tree.write(0, 'im2', labels)
    message = r'im2.png holds the labels \[5, 17\].* 5 classes.*ignore_index \(here 255\)'
    with pytest.raises(ValueError, match=message):
        dataset[2]


def test_without_the_dataset_the_transforms_say_what_is_missing(tree):
    pipeline = [LOAD, dict(type='LoadMultiSeedAnnotations')]
    with pytest.raises(KeyError, match='MultiSeedDataset'):
        DATASETS.build(tree.stock(pipeline))[0]
    with pytest.raises(KeyError, match='LoadMultiSeedAnnotations'):
        DATASETS.build(tree.stock([LOAD, dict(type='PackMultiSeedInputs')]))[0]
