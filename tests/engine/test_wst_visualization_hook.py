from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import DATASETS

from mmws.engine import WSTVisualizationHook
from mmws.files.label_map import read_label_map
from mmws.models import WSTLoss, wst_weights
from mmws.seeds.vote import vote
from mmws.visualization.colours import colour_weights
from mmws.visualization.picture_grid import picture_grid
from mmws.visualization.wst_view import WSTView, spread

PALE = (224, 224, 192)  # of unknown pixels


@pytest.fixture
def cfg(step_cfg):
    init_default_scope('mmseg')
    return step_cfg


def test_hooks_that_look_do_not_change_the_training(cfg, train, tmp_path):
    hooks = [
        dict(type='mmengine.WSTVisualizationHook', interval=2, num_images=2),
        dict(type='SeedTrustHook', sample_interval=1, log_interval=2, per_class=True),
    ]
    with_hooks, without = (
        [record['loss'] for record in train(cfg, name, given) if 'loss' in record]
        for name, given in (('with', hooks), ('without', []))
    )
    assert with_hooks == without and len(without) == 4
    pictures = sorted(p.name for p in (tmp_path / 'with').glob('*/vis_data/vis_image/wst_*.png'))
    assert len(pictures) == 4
    assert [name.rsplit('_', 1)[1] for name in pictures] == ['2.png', '4.png'] * 2


def test_a_training_set_without_seeds_is_refused(cfg, train):
    cfg.train_dataloader.dataset = cfg.train_dataloader.dataset.dataset
    with pytest.raises(ValueError, match=r'must hold a mmws\.MultiSeedDataset'):
        train(cfg, 'stock', [dict(type='mmengine.WSTVisualizationHook')])


def constant_logits(says, size):
    logits = torch.full((21, *size), -100.0)
    logits[: len(says)] = torch.tensor(says, dtype=torch.float)[:, None, None]
    return logits


class Oracle(torch.nn.Module):
    """Says the same of every pixel, class 3 by default; counts its modes."""

    def __init__(self, says=(0, 0, 0, 1), **options):
        super().__init__()
        self.says = says
        self.decode_head = torch.nn.Module()
        self.decode_head.loss_decode = WSTLoss(scale=2.0, **options)
        self.decode_head.frozen = torch.nn.BatchNorm2d(1).eval()
        self.modes = []

    def test_step(self, data):
        self.modes.append((self.training, self.decode_head.frozen.training))
        (sample,) = data['data_samples']
        logits = constant_logits(self.says, data['inputs'][0].shape[1:])
        sample.seg_logits = PixelData(data=logits)
        return [sample]


def test_the_sheet_shows_the_weights_of_the_models_own_loss(cfg, monkeypatch):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    shown = {}

    def keep(rows, *args, title, **options):
        maps, seeds, below = rows
        shown.update(maps=dict(maps), seeds=dict(seeds), below=dict(below), title=title)
        return picture_grid(rows, *args, title=title, **options)

    monkeypatch.setattr('mmws.visualization.wst_view.picture_grid', keep)
    model = Oracle().train()
    model.decode_head.frozen.eval()
    info = dataset.get_data_info(1)
    gt_dir = Path(info['seed_paths'][0]).parent  # any folder of label maps
    view = WSTView(dataset, gt_dir=gt_dir)
    image_id, sheet = view.draw(model, 1)
    assert model.modes == [(False, False)]
    assert model.training and not model.decode_head.frozen.training
    seeds = np.stack([read_label_map(path) for path in info['seed_paths']])
    np.testing.assert_array_equal(np.stack(list(shown['seeds'].values())), seeds)
    np.testing.assert_array_equal(shown['maps']['image'], cv2.imread(info['img_path'])[..., ::-1])
    assert (shown['maps']['online prediction'] == 3).all()
    np.testing.assert_array_equal(shown['maps']['majority vote'], vote(seeds))
    np.testing.assert_array_equal(shown['maps']['ground truth'], seeds[0])
    logits = torch.zeros(1, 21, *seeds.shape[1:])
    logits[:, 3] = 1
    expected = wst_weights(logits, torch.from_numpy(seeds)[None], 2.0)[0]
    weights = view.weigh(model, 1).view.weights[0].numpy()
    np.testing.assert_allclose(weights, expected)
    for (name, seed), weight in zip(shown['seeds'].items(), weights, strict=True):
        below, known = shown['below'][f'weight of {name}'], seed != 255
        painted = colour_weights(weight, weights.max())
        np.testing.assert_array_equal(below[known], painted[known])
        assert not known.all() and (below[~known] == PALE).all()
    assert image_id == dataset.image_id(info) == Path(info['img_path']).stem
    assert shown['title'].startswith(f'{image_id}; weights: dark 0, bright ')
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3


def test_a_balanced_loss_takes_the_shares_of_the_classes_from_many_images(cfg):
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    labels = np.concatenate([read_label_map(p).ravel() for i in infos for p in i['seed_paths']])
    counts = torch.from_numpy(np.bincount(labels, minlength=256)[:21])
    says = (1, -100, 0)  # background, less sure than it is frequent
    seeds = np.stack([read_label_map(path) for path in infos[1]['seed_paths']])
    logits = constant_logits(says, seeds.shape[1:])[None]
    seeds = torch.from_numpy(seeds)[None]
    expected = wst_weights(logits, seeds, 2.0, balance=4.0, shares=counts / counts.sum())[0]
    for gt_dir in (None, Path(infos[1]['seed_paths'][0]).parent):
        seen = WSTView(dataset, gt_dir=gt_dir).weigh(Oracle(says, balance=4.0), 1)
        np.testing.assert_allclose(seen.view.weights[0], expected)
    assert not np.allclose(seen.view.weights, wst_weights(logits, seeds, 2.0))


def test_a_missing_ground_truth_is_named(cfg, tmp_path):
    view = WSTView(DATASETS.build(cfg.train_dataloader.dataset), gt_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match='has no ground truth: there is no'):
        view.weigh(Oracle(), 0)


def test_spread_is_even_and_without_repetition():
    assert list(spread(3, 101)) == [0, 50, 100]
    assert list(spread(5, 2)) == [0, 1]


@pytest.mark.parametrize('wrong', [dict(interval=0), dict(num_images=0)])
def test_numbers_of_a_config_are_checked(wrong):
    with pytest.raises(ValueError, match='interval and num_images must be at least 1'):
        WSTVisualizationHook(**{'interval': 1, 'num_images': 1, **wrong})
