"""The paper's recipe, number by number with its source, against the configs as they are built.

Each row is one decision; tests/mutations.py breaks them one by one and looks whether a test fails.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmws.classification import build_classifier
from mmws.evaluation import CRFIoUMetric
from mmws.seeds.seed import crf_seeds

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
PAPER = 'Fan, Zhang, Tan, ECCV 2020'
TORCHVISION = ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
CAFFE_BGR = ([104.008, 116.669, 122.675], [1.0, 1.0, 1.0])
CAFFE_RGB = ([122.675, 116.669, 104.008], [1.0, 1.0, 1.0])

# Config, key, value, source.
STAGE_ONE = [
    ('train_cfg.max_epochs', 20, f'{PAPER}, 5.2'),
    ('train_dataloader.batch_size', 16, f'{PAPER}, 5.2'),
    ('optim_wrapper.optimizer.type', 'SGD', f'{PAPER}, 5.2'),
    ('optim_wrapper.optimizer.lr', 1e-3, f'{PAPER}, 5.2'),
    ('optim_wrapper.optimizer.momentum', 0.9, 'js-fan/ICD'),
    ('optim_wrapper.optimizer.weight_decay', 5e-4, 'js-fan/ICD'),
    ('param_scheduler.power', 0.9, f'{PAPER}, 5.2'),
    ('train_pipeline.RandomRelativeResize.ratio_range', (0.5, 1.5), f'{PAPER}, 5.2'),
    ('train_pipeline.RandomCrop.crop_size', 321, f'{PAPER}, 5.2'),
    ('train_pipeline.RandomFlip.prob', 0.5, f'{PAPER}, 5.2'),
    ('seeds.scales', (1.0, 0.75, 0.5), f'{PAPER}, 5.3'),
    ('seeds.types', ('threshold', 'crf'), f'{PAPER}, 4.2'),
    ('seeds.flip', False, 'js-fan/ICD'),
    ('seeds.merge', None, f'{PAPER}, 4.3'),
    ('seeds.threshold.foreground', 0.1, f'{PAPER}, 4.2'),
    ('seeds.threshold.background', 0.06, f'{PAPER}, 4.2'),
    ('seeds.crf.iterations', 10, 'js-fan/ICD'),
    ('seeds.crf.bilateral_sxy', 80, 'js-fan/ICD'),
    ('seeds.crf.bilateral_srgb', 13, 'js-fan/ICD'),
    ('seeds.crf.bilateral_compat', 10, 'js-fan/ICD'),
    ('seeds.crf.gaussian_sxy', 3, 'js-fan/ICD'),
    ('seeds.crf.gaussian_compat', 3, 'js-fan/ICD'),
]
STAGE_TWO = [
    ('train_cfg.max_epochs', 20, 'js-fan/CIAN'),
    ('train_dataloader.batch_size', 16, 'js-fan/CIAN'),
    ('optim_wrapper.optimizer.type', 'SGD', 'js-fan/CIAN'),
    ('optim_wrapper.optimizer.momentum', 0.9, 'js-fan/CIAN'),
    ('optim_wrapper.optimizer.weight_decay', 5e-4, 'js-fan/CIAN'),
    ('train_pipeline.RandomRelativeResize.ratio_range', (0.5, 1.5), f'{PAPER}, 5.2'),
    ('train_pipeline.RandomCrop.crop_size', (321, 321), f'{PAPER}, 5.2'),
    ('train_pipeline.RandomFlip.prob', 0.5, f'{PAPER}, 5.2'),
    ('model.decode_head.loss_at', 'feature', 'js-fan/MCIC'),
    ('model.data_preprocessor.seg_pad_val', 255, 'js-fan/MCIC'),
    ('model.data_preprocessor.test_cfg.size', (513, 513), 'js-fan/CIAN'),
]
OF_ONE_NETWORK = [
    ('msws/deeplabv2_vgg16_12seeds', 'optim_wrapper.optimizer.lr', 1e-3, 'js-fan/MCIC'),
    ('msws/deeplabv2_r101_12seeds', 'optim_wrapper.optimizer.lr', 5e-4, 'js-fan/CIAN'),
    ('msws/deeplabv2_r101_12seeds', 'model.backbone.dilations', (1, 1, 2, 4), 'js-fan/CIAN'),
]
ROWS = [
    *[(f'cam/{net}_cam_voc12aug', *row) for net in ('vgg16', 'res38') for row in STAGE_ONE],
    *[(f'msws/deeplabv2_{net}_12seeds', *row) for net in ('vgg16', 'r101') for row in STAGE_TWO],
    *OF_ONE_NETWORK,
]


def load(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


def value_at(cfg, key):
    """The value of a dotted key; below a pipeline the type of a step stands for its index."""
    for name in key.split('.'):
        if isinstance(cfg, list):
            (cfg,) = [step for step in cfg if step['type'] == name]
        else:
            cfg = cfg[name]
    return cfg


@pytest.mark.parametrize('name', sorted({row[0] for row in ROWS}))
def test_numbers_of_the_configs(name):
    cfg = load(name)
    for _, key, value, source in [row for row in ROWS if row[0] == name]:
        assert value_at(cfg, key) == value, f'{key} ({source})'
    # The pipeline that is named at the top is the one that is used.
    dataset = cfg.train_dataloader.dataset
    assert dataset.get('dataset', dataset).pipeline == cfg.train_pipeline


@pytest.mark.parametrize(
    'name, length',
    [
        ('cam/vgg16_cam_voc12aug', 20),
        ('msws/deeplabv2_vgg16_12seeds', 20),
        ('msws/deeplabv2_r101_12seeds', 20),
        ('msws/deeplabv2_vgg16_12seeds_20k', 20_000),
    ],
)
def test_learning_rate_of_every_epoch(name, length):
    """ICD and CIAN: lr * (1 - e / 20) ** 0.9 in epoch e of 0 to 19; DeepLab by iterations."""
    cfg = load(name)
    lr = cfg.optim_wrapper.optimizer.lr
    assert length == cfg.train_cfg.get('max_epochs', cfg.train_cfg.get('max_iters'))
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    schedules = (
        cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    )
    (scheduler,) = [PARAM_SCHEDULERS.build({**one, 'optimizer': optimizer}) for one in schedules]
    for step in range(length):
        assert optimizer.param_groups[0]['lr'] == pytest.approx(lr * (1 - step / length) ** 0.9)
        optimizer.step()
        scheduler.step()


# What a weight file was trained on: mean, standard deviation and whether the order is RGB. Images
# are loaded as BGR.
IMAGES = dict(imagenet=(*TORCHVISION, True), bgr255=(*CAFFE_BGR, False), rgb255=(*CAFFE_RGB, True))
OF_WEIGHTS = [
    *((f'cam/{net}_cam_voc12aug', 'imagenet') for net in ('vgg16', 'res38', 'r50')),
    *((f'msws/deeplabv2_{net}_12seeds', 'imagenet') for net in ('vgg16', 'r101')),
    ('saliency/dss_vgg16_msra-b', 'imagenet'),
    ('saliency/dss_vgg16-caffe_msra-b', 'bgr255'),
]
for end, of_end in (('caffe', 'bgr255'), ('caffe-rgb', 'rgb255')):
    OF_WEIGHTS.append((f'cam/vgg16-{end}_cam_voc12aug', of_end))
    OF_WEIGHTS.append((f'msws/deeplabv2_vgg16-{end}_12seeds', of_end))


@pytest.mark.parametrize('name, images', OF_WEIGHTS)
def test_normalisation_and_channel_order(name, images):
    model = load(name).model
    inits = [model.backbone.init_cfg]
    for head in ('head', 'decode_head'):
        init_cfg = model.get(head, {}).get('init_cfg') or []
        inits += init_cfg if isinstance(init_cfg, list) else [init_cfg]
    named = {init.images for init in inits if init.type == 'PretrainedVGG16'}
    assert named == ({images} if 'vgg16' in name else set())

    options = dict(model.data_preprocessor)
    options.setdefault('type', 'mmpretrain.ClsDataPreprocessor')
    with DefaultScope.overwrite_default_scope('mmseg'):
        preprocessor = MODELS.build(options)
    pixel = torch.tensor([10.0, 100.0, 200.0])  # B, G, R
    image = pixel.byte().reshape(3, 1, 1).expand(3, 65, 65)
    # mmpretrain takes a batch, mmseg a list of images.
    data = dict(inputs=image[None])
    if not name.startswith('cam/'):
        data = dict(inputs=[image], data_samples=[SegDataSample()])
    found = preprocessor(data)['inputs'][0, :, 30, 30]
    mean, std, rgb = IMAGES[images]
    expected = ((pixel.flip(0) if rgb else pixel) - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def build(name):
    """The model of a config; its weights take no memory where the constructor can do without."""
    cfg = load(name)
    device = torch.device('cpu' if 'r50' in name else 'meta')
    with device, DefaultScope.overwrite_default_scope('mmseg'):
        return build_classifier(cfg) if name.startswith('cam/') else MODELS.build(cfg.model)


NETWORKS = {
    'cam/vgg16_cam_voc12aug': 41,
    'cam/res38_cam_voc12aug': 41,
    'cam/r50_cam_voc12aug': 21,
    'msws/deeplabv2_vgg16_12seeds': 41,
    'msws/deeplabv2_r101_12seeds': 41,
}


@pytest.mark.parametrize('name, cells', NETWORKS.items())
def test_cells_of_a_crop(name, cells):
    """Stride 8 (ICD, PSA, CIAN): 321 pixels are 161, 81, 41 cells; 16 for ResNet50."""
    model = build(name).eval()
    image = torch.zeros(1, 3, 321, 321, device=next(model.parameters()).device)
    with torch.no_grad():
        assert model.extract_feat(image)[-1].shape[2:] == (cells, cells)


@pytest.mark.parametrize('name', NETWORKS)
def test_only_the_new_layer_learns_ten_times_faster(name):
    """Section 5.2 of the paper; fc6 and fc7 of VGG16 come with the weights (ICD, MCIC)."""
    cfg, model = load(name), build(name)
    with DefaultScope.overwrite_default_scope('mmengine'):
        optimizer = build_optim_wrapper(model, dict(cfg.optim_wrapper)).optimizer
    rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
    trained = {n: rates[id(p)] for n, p in model.named_parameters() if p.requires_grad}
    assert len(trained) > 20
    for parameter, rate in trained.items():
        factor = 10 if 'head.fc8.' in parameter or 'head.conv_seg.' in parameter else 1
        assert rate == pytest.approx(factor * cfg.optim_wrapper.optimizer.lr), parameter


def dropouts(module):
    kinds = (nn.Dropout, nn.Dropout2d)
    return [(type(m), m.p) for m in module.modules() if isinstance(m, kinds)]


def test_heads_of_stage_one():
    vgg16 = build('cam/vgg16_cam_voc12aug').head
    assert (vgg16.fc6.kernel_size, vgg16.fc6.dilation) == ((3, 3), (1, 1))  # ICD
    assert dropouts(vgg16) == [(nn.Dropout, 0.5)]  # ICD
    assert vgg16.fc8.bias is not None  # ICD
    res38 = build('cam/res38_cam_voc12aug')
    assert dropouts(res38.head) == [(nn.Dropout2d, 0.5)]  # PSA
    assert res38.head.fc8.bias is None  # PSA
    assert [p for _, p in dropouts(res38.backbone)] == [0.3, 0.3, 0.5, 0.5]  # PSA, b6 and b7


@pytest.mark.parametrize('name', ['vgg16', 'r101'])
def test_large_field_of_view(name):
    model = build(f'msws/deeplabv2_{name}_12seeds')
    head = model.decode_head
    dilated = head.fc6 if name == 'vgg16' else head.conv_seg
    assert (dilated.kernel_size, dilated.dilation, dilated.padding) == ((3, 3), (12, 12), (12, 12))
    assert dropouts(head) == ([(nn.Dropout, 0.5)] if name == 'vgg16' else [])
    assert head.loss_decode.rule.scale == 1.0  # s of Eq. 6, section 5.2
    if name == 'vgg16':
        assert model.backbone.conv5_1.dilation == (2, 2)  # DeepLab


def test_aspp():
    head = build('msws/deeplabv2-aspp_vgg16_12seeds').decode_head
    assert [branch.fc6.dilation[0] for branch in head.branches] == [6, 12, 18, 24]  # DeepLab-v2


@pytest.mark.parametrize('name', ['vgg16', 'r101'])
def test_test_time_fusion(name):
    """CIAN and MCIC: three scales and their flips; the maximum over the scales is one more map."""
    cfg = load(f'msws/deeplabv2_{name}_12seeds')
    (resizes, flips, *_) = value_at(cfg, 'tta_pipeline.TestTimeAug').transforms
    assert [step.scale_factor for step in resizes] == [0.75, 1.0, 1.25]
    assert [step.prob for step in flips] == [0.0, 1.0]
    segmentor = nn.Module()
    segmentor.test_step = None
    tta = MODELS.build(dict(cfg.tta_model, module=segmentor))
    assert (type(tta).__name__, tta.fuse, tta.append_max) == ('MultiScaleFusionTTA', 'logits', True)


def test_crf_at_test_time():
    """CIAN: 5 iterations of 3/3 and 80/13/10."""
    assert vars(CRFIoUMetric(workers=0).crf) == dict(
        iterations=5,
        bilateral_sxy=80,
        bilateral_srgb=13,
        bilateral_compat=10,
        gaussian_sxy=3,
        gaussian_compat=3,
    )


def test_numbers_a_crf_seed_is_made_of():
    """Without iterations the label is the larger of 1 - saliency and CAM, to a hundredth."""
    cam = np.float32([[[[0.49, 0.51, 0.97, 0.98, 0.2, 0.0]]]])
    saliency = np.uint8([[128, 128, 5, 5, 204, 255]])  # 1 - saliency: .498 .498 .980 .980 .2 0
    image = np.zeros((1, 6, 3), np.uint8)
    seed = crf_seeds(image, cam, saliency, [4], iterations=0)
    assert seed[0, 0, :3].tolist() == [0, 5, 0]
    assert crf_seeds(image, 0.9 * cam, saliency, [4], iterations=0)[0, 0, 1] == 0
