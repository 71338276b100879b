"""Every config of stage one: parses, builds, has the paper's numbers, and trains when shrunk."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from mmws.classification import build_classifier, class_maps, load_classifier

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / 'configs/cam').glob('*_cam_voc12aug.py'))
NAMES = [path.stem for path in CONFIGS]


def load(name):
    return Config.fromfile(ROOT / f'configs/cam/{name}.py')


def build(name):
    """The full model, without memory where the backbone's constructor can do without."""
    with torch.device('cpu' if name.startswith('r50') else 'meta'):
        return build_classifier(load(name))


def shrink(cfg, root, work_dir, **narrow):
    """Makes a config train on a few images in seconds, without pretrained weights."""
    cfg.work_dir = str(work_dir)
    cfg.model.backbone.init_cfg = None
    cfg.model.head.init_cfg = None
    cfg.model.backbone.update(narrow)
    if 'base_channels' in narrow:
        cfg.model.head.in_channels = 64 * narrow['base_channels']
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(num_workers=0, persistent_workers=False)
        loader.dataset.data_root = str(root)
    cfg.test_dataloader = cfg.val_dataloader
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.dataset.pipeline[3].crop_size = 65
    cfg.val_dataloader.dataset.pipeline.insert(1, dict(type='Resize', scale=(65, 49)))
    cfg.train_cfg.max_epochs = 1
    cfg.param_scheduler.end = 2
    cfg.default_hooks.logger.interval = 1
    return cfg


@pytest.mark.parametrize(
    'name, backbone, head',
    [
        # 20,504,404 of the author's VGG16; 105,023,168 + 47,744 of PSA's ResNet38, and 20 x 4096;
        # torchvision's 25,557,032 less its 2,049,000 of the classifier, and 20 x 2048.
        ('vgg16_cam_voc12aug', 14_714_688, 5_789_716),
        ('res38_cam_voc12aug', 105_070_912, 81_920),
        ('r50_cam_voc12aug', 23_508_032, 40_960),
    ],
)
def test_number_of_parameters(name, backbone, head):
    model = build(name)
    assert sum(p.numel() for p in model.backbone.parameters()) == backbone
    assert sum(p.numel() for p in model.head.parameters()) == head


@pytest.mark.parametrize('size', [(100, 150), (600, 900), (300, 700)])
def test_crop_has_one_size_and_mean_padding(tmp_path, size):
    cfg = load('vgg16_cam_voc12aug')
    path = tmp_path / 'white.png'
    Image.fromarray(np.full((*size, 3), 255, np.uint8)).save(path)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        pipeline = Compose([TRANSFORMS.build(t) for t in cfg.train_pipeline])
        model = build_classifier(load('r50_cam_voc12aug'))
    np.random.seed(0)
    crop = pipeline(dict(img_path=str(path), gt_label=[3]))['inputs']
    assert crop.shape == (3, 321, 321)
    padding = (crop != 255).any(0)
    if size == (100, 150):  # at most 150 x 225 after the resize: all four sides are padded
        assert padding[0].all() and padding[-1].all()
        assert padding[:, 0].all() and padding[:, -1].all()
        top = int((~padding).any(1).float().argmax())
        bottom = 320 - int((~padding).any(1).flip(0).float().argmax())
        assert abs(top - (320 - bottom)) <= 1, 'the image is not in the middle'
    if size == (600, 900):  # never smaller than 300 x 450
        assert not padding[10:-11].any()
    if padding.any():
        colours = model.data_preprocessor(dict(inputs=crop[None]))['inputs'][0][:, padding]
        assert colours.abs().max() < 0.02, 'the padding is not zero for the network'


@pytest.mark.parametrize('name', [name for name in NAMES if 'caffe' not in name])
def test_trains_on_a_tiny_tree(name, tmp_path, voc_tree):
    narrow = dict(base_channels=2) if 'res38' in name else {}
    cfg = shrink(load(name), voc_tree.root, tmp_path / 'work', **narrow)
    runner = Runner.from_cfg(cfg)
    before = runner.model.head.fc8.weight.detach().clone()
    runner.train()
    assert runner.iter == 2
    assert not runner.model.head.fc8.weight.cpu().equal(before.cpu())
    history = runner.message_hub.get_scalar('train/loss')
    assert np.isfinite(history.current())
    # Eq. 1 of an untrained classifier: about log 2 for each of the 20 classes.
    assert history.data[0][0] == pytest.approx(20 * np.log(2), rel=0.3)
    assert 0 <= runner.message_hub.get_scalar('val/multi-label/mAP').current() <= 100
    # What training wrote is what the seeds are made from.
    model = load_classifier(cfg, tmp_path / 'work/epoch_1.pth')
    assert len(model.dataset_meta['classes']) == 20
    image = np.zeros((49, 65, 3), np.uint8)
    maps = class_maps(model, image, scales=(1.0, 0.5))
    assert [m.shape[0] for m in maps] == [20, 20]


def test_any_backbone_with_a_feature_map():
    cfg = load('r50_cam_voc12aug')
    cfg.model.backbone = dict(type='ConvNeXt', arch='atto', gap_before_final_norm=False)
    cfg.model.head.in_channels = 320
    maps = class_maps(build_classifier(cfg), np.zeros((64, 96, 3), np.uint8), scales=[1.0])
    assert maps[0].shape == (20, 2, 3)
