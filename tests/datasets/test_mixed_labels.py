"""Fully labelled images beside images with K seeds, in one dataset and in one batch."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.registry import DATASETS, MODELS
from torch import nn

from mmws.datasets.multi_seed_dataset import seed_datasets

STOCK = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]


class _Backbone(nn.Module):
    """Without normalisation over the batch: what an image adds to a loss is its own."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        return (self.conv(x).relu(),)


def _model(kind, *, avg_non_ignore):
    torch.manual_seed(0)
    head = dict(
        type='FCNHead',
        in_channels=6,
        in_index=0,
        channels=6,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=5,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=avg_non_ignore),
    )
    preprocessor = dict(
        type='SegDataPreProcessor',
        mean=[128.0] * 3,
        std=[64.0] * 3,
        size_divisor=1,
        pad_val=0,
        seg_pad_val=255,
    )
    return MODELS.build(
        dict(
            **kind,
            data_preprocessor=preprocessor,
            backbone=dict(type=_Backbone),
            decode_head=head,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
    )


def _loss(model, samples):
    batch = model.data_preprocessor(pseudo_collate(samples), training=True)
    return model.loss(batch['inputs'], batch['data_samples'])['decode.loss_ce']


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


def test_a_labelled_image_is_a_plain_cross_entropy_in_any_batch(mixed):
    dataset = DATASETS.build(mixed)
    samples = [dataset[i] for i in range(3)]
    for avg_non_ignore in (False, True):
        stock = _model(dict(type='EncoderDecoder'), avg_non_ignore=avg_non_ignore)
        model = _model(
            dict(type='MultiSeedSegmentor', base='EncoderDecoder'), avg_non_ignore=avg_non_ignore
        )
        alone = [_loss(model, [sample]) for sample in samples]
        torch.testing.assert_close(alone[0], _loss(stock, samples[:1]))
        # Pixels of which at least one seed knows something, or all of them.
        weight = [
            float((s['data_samples'].gt_seeds.data != 255).any(0).sum()) if avg_non_ignore else 1.0
            for s in samples
        ]
        assert not avg_non_ignore or weight[0] < weight[1]
        for batch in ([0, 1, 2], [2, 0], [1, 0, 0]):
            expected = sum(weight[i] * alone[i] for i in batch) / sum(weight[i] for i in batch)
            torch.testing.assert_close(_loss(model, [samples[i] for i in batch]), expected)
