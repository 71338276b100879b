"""Every saliency config: parses, has the paper's numbers, and trains and tests when shrunk."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import DATASETS as CLASSIFICATION_DATASETS
from mmseg.registry import DATASETS, MODELS
from PIL import Image

from mmws.classification import build_classifier
from mmws.classification.seed_generation import dataset_images, recipe_of

ROOT = Path(__file__).resolve().parents[1]
NAMES = [path.stem for path in sorted((ROOT / 'configs/saliency').glob('*.py'))]
PAPER = [name for name in NAMES if 'shapes' not in name]


def load(name):
    return Config.fromfile(ROOT / f'configs/saliency/{name}.py')


@pytest.fixture(autouse=True)
def mmseg_scope():
    """What the runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.fixture(scope='module')
def pairs(tmp_path_factory):
    """Three images with a bright square in each, and masks, in every layout that a config names."""
    root = tmp_path_factory.mktemp('saliency')
    rng = np.random.default_rng(0)
    for index, size in enumerate([(40, 56), (48, 40), (33, 47)]):
        mask = np.zeros(size, np.uint8)
        mask[8:24, 10:28] = 255
        image = np.where(mask[..., None], (220, 60, 40), (40, 90, 60)) + rng.normal(
            0, 8, (*size, 3)
        )
        image = Image.fromarray(image.clip(0, 255).astype(np.uint8))
        for folder, kind, suffix in (
            ('image', image, '.jpg'),
            ('annotation', Image.fromarray(mask), '.png'),
            ('DUTS-TR/DUTS-TR-Image', image, '.jpg'),
            ('DUTS-TR/DUTS-TR-Mask', Image.fromarray(mask), '.png'),
            ('DUTS-TE/DUTS-TE-Image', image, '.jpg'),
            ('DUTS-TE/DUTS-TE-Mask', Image.fromarray(mask), '.png'),
            ('JPEGImages', image, '.jpg'),
            ('SegmentationClassAug', Image.fromarray(mask // 255 * 3), '.png'),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            kind.save(root / folder / f'pair_{index}{suffix}')
    (root / 'ImageSets/Segmentation').mkdir(parents=True)
    for name in ('ImageSets/Segmentation/train', 'ImageSets/Segmentation/val'):
        (root / f'{name}.txt').write_text('pair_0\npair_1\npair_2\n')
    # MSRA-B's lists name the masks.
    for name in ('train', 'valid', 'test'):
        (root / f'{name}_cvpr2013.txt').write_text('pair_0.png\npair_1.png\npair_2.png\n')
    return root


def shrink(cfg, root, work_dir):
    """The config with its own pipelines and solver on a few images and channels."""
    if cfg.model.backbone.type == 'DSSVGG16':
        cfg.model.backbone.update(base_channels=2, init_cfg=None)
        cfg.model.decode_head.update(in_channels=[2, 4, 8, 16, 16, 16], base_channels=2)
    else:
        cfg.model.backbone.update(depth=50, stem_channels=4, base_channels=2, init_cfg=None)
        cfg.model.decode_head.update(in_channels=[4, 8, 16, 32, 64], base_channels=2)
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        loader.dataset.data_root = str(root)
        loader.update(num_workers=0, persistent_workers=False, batch_size=1)
    if cfg.train_cfg.type == 'IterBasedTrainLoop':
        cfg.train_cfg.update(max_iters=3, val_interval=3)
    else:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.work_dir = str(work_dir)
    cfg.experiment_name = work_dir.name
    return cfg


@pytest.mark.parametrize('name', PAPER)
def test_solver_and_its_groups(name):
    """SGD 1e-3, momentum 0.9, decay 5e-4, ten images an update, Caffe's multipliers."""
    cfg = load(name)
    wrapper = cfg.optim_wrapper
    assert wrapper.accumulative_counts == 10 and cfg.train_dataloader.batch_size == 1
    iterations = cfg.train_cfg.max_iters
    (step,) = cfg.param_scheduler
    assert (iterations, step.milestones) == (
        (240_000, [150_000]) if 'duts' in name else (120_000, [75_000])
    )
    assert step.gamma == 0.1 and step.by_epoch is False
    # mmengine multiplies by the images of a step over this, and one process takes one.
    assert cfg.auto_scale_lr.base_batch_size == 1

    shrink(cfg, '', Path('unused'))
    model = MODELS.build(cfg.model)
    groups = build_optim_wrapper(model, cfg.optim_wrapper).optimizer.param_groups
    by_parameter = {id(p): group for group in groups for p in group['params']}
    checked = 0
    for parameter, value in model.named_parameters():
        if 'bn' in parameter or 'downsample.1' in parameter:
            assert not value.requires_grad  # ImageNet's, frozen
            continue
        group = by_parameter[id(value)]
        bias = parameter.endswith('bias')
        one_map = any(word in parameter for word in ('score', 'combine', 'fuse'))
        assert group['lr'] == pytest.approx(1e-3 * (0.1 if one_map else 1) * (2 if bias else 1))
        assert group['weight_decay'] == (0 if bias else 5e-4), parameter
        assert group['momentum'] == 0.9
        checked += one_map
    # Weight and bias of a score each side, of a combination in four (or three), and of the fusion.
    assert checked == 2 * ((5 + 3 + 1) if 'r101' in name else (6 + 4 + 1))


@pytest.mark.parametrize('name', NAMES)
def test_trains_and_tests(name, pairs, tmp_path):
    """Its own pipelines on images of three sizes, one validation, one test."""
    runner = Runner.from_cfg(shrink(load(name), pairs, tmp_path / name))
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()
    metrics = runner.test()
    assert set(metrics) == {'saliency/mae', 'saliency/max_f', 'saliency/mean_f'}
    assert all(0 <= value <= 1 for value in metrics.values())
    # Ten images make an update, but the last ones of a run make one too.
    after = runner.model.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before if 'side6' in key)


def options_after(text, doc):
    """The --cfg-options of the command in a doc that holds a text, as the tools parse them."""
    (command,) = (
        block.replace('\\\n', ' ')
        for block in (ROOT / f'docs/{doc}.md').read_text().split('```')[1::2]
        if text in block
    )
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    return parser.parse_known_args(shlex.split(command))[0].cfg_options


@pytest.mark.parametrize(
    ('folders', 'suffix', 'listed', 'pairs_there'),
    [
        (('ECSSD/images', 'ECSSD/ground_truth_mask'), '.jpg', None, 2),
        (('HKU-IS/imgs', 'HKU-IS/gt'), '.png', 'HKU-IS/test.txt', 1),
    ],
)
def test_the_docs_test_on_other_sets(folders, suffix, listed, pairs_there, tmp_path, monkeypatch):
    """The printed options name the folders as these sets come."""
    monkeypatch.chdir(tmp_path)
    for folder, end in zip(folders, (suffix, '.png'), strict=True):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        for name in ('0001', '0002'):
            Image.new('L', (20, 16)).save(tmp_path / 'data' / folder / f'{name}{end}')
    if listed:
        (tmp_path / 'data' / listed).write_text('0002.png\n')
    cfg = load('dss_vgg16_msra-b')
    cfg.merge_from_dict(options_after(f'data/{folders[0].split("/")[0]}/', 'saliency'))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(dataset) == pairs_there
    assert tuple(dataset[0]['inputs'].shape) == (3, 16, 20)
    assert dataset[0]['data_samples'].gt_sem_seg.shape == (16, 20)


def test_the_docs_example_with_own_images(tmp_path, monkeypatch):
    """Its config finds images, labels and maps where the page puts them."""
    page = (ROOT / 'docs/saliency.md').read_text()
    (code,) = re.findall(r'```python\n(_base_.*?)```', page, re.DOTALL)
    for folder, end in (('images', '.jpg'), ('saliency', '.png')):
        (tmp_path / 'data/mine' / folder).mkdir(parents=True)
        for name in ('0001', '0412'):
            Image.new('L', (20, 16)).save(tmp_path / f'data/mine/{folder}/{name}{end}')
    for name, line in re.findall(r'(train|val)\.txt +(.+)', page):
        (tmp_path / f'data/mine/{name}.txt').write_text(f'{line}\n')
    monkeypatch.chdir(tmp_path)
    for net in ('vgg16', 'res38'):
        own = code.replace("'configs/", f"'{ROOT}/configs/").replace('vgg16', net)
        (tmp_path / f'my_{net}.py').write_text(own)
        cfg = Config.fromfile(tmp_path / f'my_{net}.py')
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            datasets = [
                CLASSIFICATION_DATASETS.build(loader.dataset)
                for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
            ]
        assert [d.get_data_info(0)['gt_label'] for d in datasets] == [[0, 1], [2], [2]]
        assert datasets[0][0]['inputs'].shape == (3, 321, 321)
        assert build_classifier(cfg).head.num_classes == 3
        (image,) = dataset_images(datasets[0], recipe_of(cfg, types=['threshold']))
        assert image.saliency_path == 'data/mine/saliency/0001.png'
        assert f'my_{net}.py work_dirs/my_{net}/epoch_{cfg.train_cfg.max_epochs}.pth' in page


def test_batches_of_images_that_differ_in_size(pairs, tmp_path):
    """Padding changes nothing in the loss but the border that a padded image does not have."""
    cfg = shrink(load('dss_vgg16_duts'), pairs, tmp_path / 'batch')
    cfg.train_dataloader.update(batch_size=3)
    runner = Runner.from_cfg(cfg)
    data = next(iter(runner.train_dataloader))
    assert len({tuple(image.shape) for image in data['inputs']}) == 3
    data = runner.model.data_preprocessor(data, training=True)
    assert data['inputs'].shape == (3, 3, 48, 56)
    labels = [sample.gt_sem_seg.data for sample in data['data_samples']]
    assert all(label.shape == (1, 48, 56) for label in labels)
    # 40 x 56, 48 x 40 and 33 x 47 pixels count.
    assert sum((label != 255).sum() for label in labels) == 40 * 56 + 48 * 40 + 33 * 47
    losses = runner.model(**data, mode='loss')
    assert all(torch.isfinite(loss) for loss in losses.values())
