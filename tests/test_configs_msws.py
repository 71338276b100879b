"""Every config of stage two: parses, has the paper's numbers, and trains when shrunk."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmws import MultiSeedSegmentor, WSTLoss
from mmws.models.rules.plain import Plain
from mmws.models.rules.wst import WST

ROOT = Path(__file__).resolve().parents[1]
NAMES = [path.stem for path in sorted((ROOT / 'configs/msws').glob('*.py'))]
SEEDS = [
    f'{backbone}_{kind}_x{scale}'
    for backbone in ('vgg16', 'res38')
    for kind in ('threshold', 'crf')
    for scale in ('1.0', '0.75', '0.5')
]
PARAMETERS = {
    'deeplabv2_vgg16': 20_505_429,
    'deeplabv2-aspp_vgg16': 37_877_652,
    # torchvision's ResNet101 without its classifier, and one 3x3 convolution from 2048 to 21.
    'deeplabv2_r101': 42_500_160 + 387_093,
}


def load(name):
    return Config.fromfile(ROOT / f'configs/msws/{name}.py')


def stock(name):
    """Whether the config has no model of mmws: one label, mmseg's cross entropy."""
    return name.endswith('_gt')


@pytest.fixture(autouse=True)
def mmseg_scope():
    """What the runner does with default_scope."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


@pytest.mark.parametrize('name', NAMES)
def test_seeds_and_lists(name):
    """The numbers of the pipeline are in test_recipe.py."""
    cfg = load(name)
    train = cfg.train_dataloader.dataset
    if '_gt' not in name:
        assert train.type == 'mmws.MultiSeedDataset'
        assert train.seed_dirs == (['vgg16_crf_x1.0'] if '1seed' in name else SEEDS)
        train = train.dataset
    assert train.ann_file == 'ImageSets/Segmentation/train_aug.txt'
    assert cfg.val_dataloader.dataset.ann_file == 'ImageSets/Segmentation/val.txt'
    assert cfg.train_dataloader.batch_size == (10 if '20k' in name else 16)


@pytest.mark.parametrize('name', NAMES)
def test_model_and_optimizer_groups(name):
    """Every parameter has the learning rate and the decay that the config claims."""
    cfg = load(name)
    model = MODELS.build(cfg.model)
    model_parameters = dict(model.named_parameters())
    network = re.sub('-caffe|-rgb', '', '_'.join(name.split('_')[:2]))
    assert sum(p.numel() for p in model_parameters.values()) == PARAMETERS[network]

    assert isinstance(model, MultiSeedSegmentor) == (not stock(name))
    loss = model.decode_head.loss_decode
    if stock(name):
        assert loss.avg_non_ignore
    else:
        assert isinstance(loss, WSTLoss)
        assert type(loss.rule) is (Plain if 'plain' in name else WST)
    assert model.decode_head.loss_at == 'feature' and model.decode_head.align_corners

    lr = 5e-4 if 'r101' in name else 1e-3
    want = {}
    for parameter, value in model_parameters.items():
        if 'backbone' in parameter and ('bn' in parameter or 'downsample.1' in parameter):
            assert not value.requires_grad, parameter  # frozen batch normalisation
            continue
        assert value.requires_grad, parameter
        factor = 10 if 'conv_seg' in parameter else 1
        decay = 5e-4
        if '20k' in name and parameter.endswith('bias'):
            factor, decay = 2 * factor, 0.0
        want[parameter] = (pytest.approx(factor * lr), decay)
    names = {value: parameter for parameter, value in model_parameters.items()}
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    found = {
        names[value]: (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for value in group['params']
    }
    assert found == want
    assert {group['momentum'] for group in optimizer.param_groups} == {0.9}
    # mmengine says nothing about a key that matches no parameter.
    for key in cfg.optim_wrapper.paramwise_cfg.custom_keys:
        assert any(key in parameter for parameter in found), key
    new = [parameter for parameter, (rate, _) in found.items() if rate > 9 * lr]
    assert len(new) == (8 if 'aspp' in name else 2)


@pytest.fixture(scope='module')
def voc(make_voc_tree, tmp_path_factory):
    return make_voc_tree(tmp_path_factory.mktemp('voc') / 'VOC2012', SEEDS).root


def shrink(cfg, root, work_dir):
    """Makes a config train on the tiny images in a second, without pretrained weights."""
    cfg.work_dir = str(work_dir)
    model = cfg.model
    model.data_preprocessor.update(size=(65, 65), test_cfg=dict(size=(97, 97)))
    if model.backbone.type == 'ResNet':
        model.backbone.update(depth=50, base_channels=4, stem_channels=4, init_cfg=None)
        model.decode_head.in_channels = 128
    else:
        model.backbone.update(base_channels=4, init_cfg=None)
        model.decode_head.update(in_channels=32, channels=16, init_cfg=None)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        dataset = loader.dataset
        if 'seed_root' in dataset:
            dataset.seed_root = str(root / 'seeds')
            dataset = dataset.dataset
        dataset.data_root = str(root)
        for step in dataset.pipeline:
            if step.type == 'RandomCrop':
                step.crop_size = (65, 65)
    cfg.train_dataloader.batch_size = 2
    if cfg.train_cfg.type == 'IterBasedTrainLoop':
        cfg.train_cfg.update(max_iters=2, val_interval=2)
        cfg.default_hooks.checkpoint.interval = 2
    else:
        cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.default_hooks.logger.interval = 1
    cfg.experiment_name = work_dir.name
    return cfg


@pytest.mark.parametrize('name', NAMES)
def test_trains_validates_and_saves(name, voc, tmp_path):
    runner = Runner.from_cfg(shrink(load(name), voc, tmp_path / f'{name}_train'))
    runner.model.init_weights()
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.train()

    hub = MessageHub.get_current_instance()
    loss = 'decode.loss_ce' if stock(name) else 'decode.loss_wst'
    history, _ = hub.get_scalar(f'train/{loss}').data
    assert len(history) == 2 and np.isfinite(history).all() and (history > 0).all()
    assert 0 <= hub.get_scalar('val/mIoU').current() <= 100
    after = runner.model.state_dict()
    moved = {key for key, value in after.items() if not torch.equal(value, before[key])}
    frozen = {key for key in after if 'bn' in key or 'downsample.1' in key}
    assert bool(frozen) == ('r101' in name)
    assert moved == set(after) - frozen
    assert list(Path(runner.work_dir).glob('*.pth'))


def test_padding_for_the_test_is_taken_off_again(voc, tmp_path):
    """The logits' cells are 8 pixels apart in the image, whatever the image's size."""
    cfg = shrink(load('deeplabv2_vgg16_12seeds'), voc, tmp_path / 'padding')
    runner = Runner.from_cfg(cfg)
    model = runner.model.eval()
    model.init_weights()
    data = next(iter(runner.test_dataloader))
    with torch.no_grad():
        (sample,) = model.test_step(data)
        inputs = model.data_preprocessor(data)['inputs']
        logits = model.encode_decode(inputs, [dict(img_shape=inputs.shape[2:])])
        cells = model.decode_head(model.extract_feat(inputs))
    assert inputs.shape == (1, 3, 97, 97) and cells.shape == (1, 21, 13, 13)
    torch.testing.assert_close(logits[:, :, ::8, ::8], cells)
    height, width = sample.ori_shape
    torch.testing.assert_close(sample.seg_logits.data, logits[0, :, :height, :width])
