"""Seeds stay aligned with the image under every usual transform."""

import numpy as np
import pytest
from mmseg.registry import DATASETS, TRANSFORMS

LOAD = dict(type='LoadImageFromFile')


@TRANSFORMS.register_module()
class ShrinkImageOnly:
    def __call__(self, results):
        results['img'] = results['img'][:-2]
        return results


@TRANSFORMS.register_module()
class ReadLabels:
    """Not known to mmws, and reads label values."""

    def __call__(self, results):
        results['labels_seen'] = np.unique(results['gt_seg_map'])
        assert results['gt_seg_map'].dtype == np.uint8
        return results


@TRANSFORMS.register_module()
class FlipLabelsOnly:
    def __call__(self, results):
        results['gt_seg_map'] = results['gt_seg_map'][:, ::-1]
        return results


def sample_of(tree, steps, index=0, **options):
    pipeline = [LOAD, dict(type='LoadAnnotations'), *steps, dict(type='PackSegInputs')]
    return DATASETS.build(tree.config(pipeline, **options))[index]


GEOMETRY = [
    [],
    [dict(type='RandomResize', scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True)],
    [dict(type='Resize', scale=(90, 70), keep_ratio=False)],
    [dict(type='Resize', scale=(90, 70), keep_ratio=False, backend='pillow')],
    [
        dict(
            type='RandomChoiceResize',
            scales=[32, 40],
            resize_type='ResizeShortestEdge',
            max_size=90,
        )
    ],
    [dict(type='ResizeShortestEdge', scale=32, max_size=80)],
    [dict(type='ResizeToMultiple', size_divisor=32)],
    [dict(type='RandomCrop', crop_size=(32, 32))],
    [dict(type='RandomCrop', crop_size=(32, 32), cat_max_ratio=0.75)],
    [dict(type='RandomFlip', prob=1.0)],
    [dict(type='RandomFlip', prob=1.0, direction='vertical')],
    [dict(type='RandomFlip', prob=1.0, swap_seg_labels=[(1, 2), (3, 4)])],
    [dict(type='RandomRotate', prob=1.0, degree=30)],
    [dict(type='RandomRotFlip', rotate_prob=0.0, flip_prob=1.0)],
    [dict(type='mmcv.Pad', size=(80, 80), pad_val=dict(img=0, seg=255))],
    [dict(type='mmcv.CenterCrop', crop_size=(32, 24))],
    [dict(type='mmcv.RandomFlip', prob=1.0)],
    [dict(type='mmcv.Resize', scale=(32, 24))],
    [
        dict(
            type='RandomApply',
            transforms=[dict(type='RandomCrop', crop_size=(16, 16), cat_max_ratio=0.9)],
            prob=1.0,
        )
    ],
    [dict(type='GenerateEdge', edge_width=3)],
    [dict(type='PhotoMetricDistortion'), dict(type='CLAHE')],
]


@pytest.mark.parametrize(
    'steps',
    GEOMETRY,
    ids=lambda steps: '+'.join('-'.join([s['type'], *list(s)[2:]]) for s in steps) or 'none',
)
@pytest.mark.parametrize('layout', ['index', 'maps'])
def test_each_seed_moves_as_the_stock_label_map_would(tree, steps, layout):
    """The reference: each seed on its own, through the stock pipeline with the same dice."""
    if layout == 'maps' and any(s['type'].startswith('mmcv.') for s in steps):
        pytest.skip('mmcv moves gt_seg_map alone')
    if layout == 'maps' and 'cat_max_ratio' in str(steps):
        pytest.skip('decides by the vote; covered below')
    from mmws.datasets import LoadMultiSeedAnnotations

    pipeline = [LOAD, dict(type='LoadAnnotations'), *steps, dict(type='PackSegInputs')]
    dataset = DATASETS.build(tree.config(pipeline))
    for i, step in enumerate(dataset.pipeline.transforms):
        if isinstance(step, LoadMultiSeedAnnotations) and layout == 'maps':
            dataset.pipeline.transforms[i] = LoadMultiSeedAnnotations(layout='maps')
    np.random.seed(3)
    sample = dataset[0]
    found = sample['data_samples'].gt_seeds.data.numpy()
    assert found.dtype == np.uint8 and found.shape[1:] == sample['inputs'].shape[1:]
    if 'cat_max_ratio' in str(steps):
        return
    for k in range(3):
        stock = DATASETS.build(
            tree.stock(pipeline, data_prefix=dict(img_path='images', seg_map_path=f'seeds/s{k}'))
        )
        np.random.seed(3)
        expected = stock[0]
        np.testing.assert_array_equal(found[k], expected['data_samples'].gt_sem_seg.data.numpy()[0])
        if 'PhotoMetricDistortion' not in str(steps):
            np.testing.assert_array_equal(sample['inputs'].numpy(), expected['inputs'].numpy())


def test_cut_out_fills_all_seeds(tree):
    step = dict(type='RandomCutOut', prob=1.0, n_holes=1, cutout_shape=(10, 10), seg_fill_in=4)
    np.random.seed(0)
    sample = sample_of(tree, [step])
    hole = (sample['inputs'].numpy() == 0).all(0)
    assert 40 < hole.sum() <= 110
    seeds = sample['data_samples'].gt_seeds.data.numpy()
    inner = hole & np.roll(hole, 1, 0) & np.roll(hole, 1, 1)
    assert (seeds[:, inner] == 4).all()


def test_rotation_makes_no_labels_between_labels(tree):
    for k in range(3):
        labels = np.zeros((48, 64), np.uint8)
        labels[10:30, 10:50] = 4
        tree.write(k, 'im0', labels)
    step = dict(type='RandomRotFlip', rotate_prob=1.0, flip_prob=0.0, degree=30)
    seeds = sample_of(tree, [step])['data_samples'].gt_seeds.data.numpy()
    assert np.unique(seeds).tolist() == [0, 4, 255]


def test_cat_max_ratio_looks_at_the_vote(tree):
    """Left half one class in all seeds: a crop in there is refused ten times over."""
    for k in range(3):
        labels = np.zeros((48, 64), np.uint8)
        labels[:, 44:] = np.arange(20) % 4 + 1
        tree.write(k, 'im0', labels)
    shares = {}
    for ratio in (0.75, 1.0):
        step = dict(type='RandomCrop', crop_size=(16, 16), cat_max_ratio=ratio)
        dataset = DATASETS.build(
            tree.config([LOAD, dict(type='LoadAnnotations'), step, dict(type='PackSegInputs')])
        )
        np.random.seed(0)
        labels = [dataset[0]['data_samples'].gt_sem_seg.data.numpy() for _ in range(30)]
        shares[ratio] = np.array([np.bincount(m.ravel()).max() / m.size for m in labels])
    assert (shares[0.75] < 0.75).mean() > 2 * (shares[1.0] < 0.75).mean() > 0


def test_edges_come_from_the_vote(tree):
    for k in range(3):
        labels = np.zeros((48, 64), np.uint8)
        labels[:, 32:] = 1
        tree.write(k, 'im0', labels)
    sample = sample_of(tree, [dict(type='GenerateEdge', edge_width=3)])
    edges = sample['data_samples'].gt_edge_map.data.numpy()[0]
    assert edges[24, 31:33].all() and not edges[24, :28].any()


def test_the_consensus_is_the_vote_of_the_packed_seeds(tree):
    from mmws.seeds.vote import vote

    np.random.seed(0)
    sample = sample_of(tree, [dict(type='RandomRotate', prob=1.0, degree=30)])
    seeds = sample['data_samples'].gt_seeds.data.numpy()
    label = sample['data_samples'].gt_sem_seg.data
    assert label.dtype.is_signed and label.shape == (1, 48, 64)
    np.testing.assert_array_equal(label.numpy()[0], vote(seeds))


def test_a_transform_that_moves_the_image_alone_is_caught(tree):
    with pytest.raises(ValueError, match=r'image .*im0.jpg is \(46, 64\).*seeds behind'):
        sample_of(tree, [dict(type='ShrinkImageOnly')])


def test_a_transform_unknown_to_mmws_sees_labels(tree):
    sample_of(tree, [dict(type='ReadLabels')])


def test_a_transform_that_flips_the_vote_alone_is_caught(tree):
    with pytest.raises(ValueError, match='do not belong to the same pixels'):
        sample_of(tree, [dict(type='FlipLabelsOnly')])


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
    with pytest.raises(ValueError, match=r'im2.png holds the labels \[5, 17\].* 5 classes'):
        dataset[2]
    path = tree.seed_path(2, 'im0')
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(ValueError, match='s2/im0.png cannot be decoded'):
        dataset[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match='s2/im0.png'):
        dataset[0]


def test_without_the_dataset_the_transforms_say_what_is_missing(tree):
    pipeline = [LOAD, dict(type='LoadMultiSeedAnnotations')]
    with pytest.raises(KeyError, match='MultiSeedDataset'):
        DATASETS.build(tree.stock(pipeline))[0]
    with pytest.raises(KeyError, match='LoadMultiSeedAnnotations'):
        DATASETS.build(tree.stock([LOAD, dict(type='PackMultiSeedInputs')]))[0]
