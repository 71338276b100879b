"""Weight files of VGG16, written here in the layouts of the released ones."""

import math

import pytest
import torch
from mmengine.model import BaseModule, initialize
from torch import nn

from mmws.backbones import PretrainedVGG16, VGG16LargeFOV
from mmws.backbones.vgg16 import conv_names
from mmws.backbones.vgg16_weights import decimate, recognise_images, rename_vgg16_entries

# The places of torchvision's convolutions among its features, written out.
_PLACES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


class Head(BaseModule):
    """fc6, fc7 and a classifier, as both stages' heads name them."""

    def __init__(self, channels=1024, init_cfg=None):
        super().__init__(init_cfg)
        self.fc6 = nn.Conv2d(512, channels, 3, padding=12, dilation=12)
        self.fc7 = nn.Conv2d(channels, channels, 1)
        self.conv_seg = nn.Conv2d(channels, 21, 1)


@pytest.fixture(scope='module')
def trunk():
    torch.manual_seed(0)
    trunk = VGG16LargeFOV()
    for parameter in trunk.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    return trunk


@pytest.fixture(scope='module')
def full():
    """Layers of the sizes that ImageNet trained; every value occurs once."""
    shapes = {'0.weight': (4096, 25088), '3.weight': (4096, 4096), '6.weight': (10, 4096)}
    shapes |= {'0.bias': (4096,), '3.bias': (4096,), '6.bias': (10,)}
    return {
        f'classifier.{name}': torch.arange(math.prod(shape), dtype=torch.int32).reshape(shape)
        for name, shape in shapes.items()
    }


def load(module, checkpoint):
    initialize(module, dict(type='PretrainedVGG16', checkpoint=checkpoint))
    return module


def test_decimation_by_hand(full):
    weight, bias = full['classifier.0.weight'], full['classifier.0.bias']
    fc6 = decimate('fc6', weight)
    assert fc6.shape == (1024, 512, 3, 3)
    # Output 5 comes from channel 20; tap (2, 1) of the 3x3 kernel from (6, 3) of the 7x7 one,
    # which torchvision's flattened input holds at channel * 49 + 6 * 7 + 3.
    assert fc6[5, 100, 2, 1] == weight[20, 100 * 49 + 45]
    assert fc6[1023, 511, 0, 2] == weight[4092, 511 * 49 + 6]
    assert torch.equal(decimate('fc6', bias), bias[[4 * i for i in range(1024)]])
    assert torch.equal(decimate('fc6', weight.view(4096, 512, 7, 7)), fc6)

    weight = full['classifier.3.weight']
    fc7 = decimate('fc7', weight)
    assert fc7.shape == (1024, 1024, 1, 1)
    # Input 7 of fc7 is output 7 of fc6: channel 28 of the full layer.
    assert fc7[3, 7, 0, 0] == weight[12, 28]
    assert fc7[1023, 1, 0, 0] == weight[4092, 4]


@pytest.mark.parametrize('prefix', ['features.', ''])
def test_reads_the_names_of_torchvision(trunk, full, prefix):
    entries = {
        f'{prefix}{place}.{kind}': getattr(getattr(trunk, name), kind)
        for place, name in zip(_PLACES, conv_names(), strict=True)
        for kind in ('weight', 'bias')
    }
    found = rename_vgg16_entries({**entries, **full})
    for name, value in trunk.state_dict().items():
        assert torch.equal(found[name], value), name
    assert torch.equal(found['fc6.weight'], decimate('fc6', full['classifier.0.weight']))
    assert torch.equal(found['fc7.bias'], full['classifier.3.bias'][::4])
    assert torch.equal(found['classifier.6.bias'], full['classifier.6.bias'])
    # In some files fc6 and fc7 are reduced, and convolutions 31 and 33.
    reduced = {f'{prefix}31.bias': torch.ones(1024), f'{prefix}33.bias': torch.ones(1024)}
    assert list(rename_vgg16_entries(reduced)) == ['fc6.bias', 'fc7.bias']
    # Full layers under Caffe's names are decimated too.
    found = rename_vgg16_entries({'fc6.weight': full['classifier.0.weight']})
    assert found['fc6.weight'].shape == (1024, 512, 3, 3)


def public(kind):
    """The first layer with the numbers by which a public file is known."""
    weight, bias = torch.rand(64, 3, 3, 3), torch.rand(64)
    if kind == 'torchvision':
        bias[:4] = torch.tensor([0.4034, 0.3778, 0.4644, -0.3228])
    else:
        bgr = torch.tensor([0.42947, 0.55038, 0.48002])
        weight[0, :, 0, 0] = bgr if kind.startswith('bgr') else bgr.flip(0)
        if kind.endswith('flipped'):
            weight = weight.flip(2, 3)
    return {'conv1_1.weight': weight, 'conv1_1.bias': bias}


def test_public_files_are_known_by_their_first_numbers(trunk):
    known = {'torchvision': 'imagenet', 'bgr': 'bgr255', 'bgr flipped': 'bgr255'}
    known |= {'rgb': 'rgb255', 'rgb flipped': 'rgb255'}
    assert {kind: recognise_images(public(kind)) for kind in known} == known
    assert recognise_images(trunk.state_dict()) is None
    assert recognise_images({}) is None
    assert recognise_images(VGG16LargeFOV(base_channels=2).state_dict()) is None


@pytest.mark.parametrize('source', ['first numbers', 'meta'])
def test_a_file_for_other_images_than_the_config_s_is_refused(trunk, tmp_path, source):
    entries, meta = {**trunk.state_dict()}, {}
    if source == 'meta':
        meta = dict(images='bgr255')
    else:
        entries.update(public('bgr'))
    path = str(tmp_path / 'vgg16.pth')
    torch.save(dict(state_dict=entries, meta=meta), path)
    for images in ('imagenet', 'rgb255'):
        model = VGG16LargeFOV()
        before = model.conv1_1.weight.clone()
        init_cfg = dict(type='PretrainedVGG16', checkpoint=path, images=images)
        with pytest.raises(
            ValueError, match=r"trained on BGR less a mean .* but .* RGB .*='bgr255'"
        ):
            initialize(model, init_cfg)
        assert torch.equal(model.conv1_1.weight, before)
    for images in ('bgr255', None):
        init_cfg = dict(type='PretrainedVGG16', checkpoint=path, images=images)
        initialize(model, init_cfg)
    assert torch.equal(model.conv1_1.weight, entries['conv1_1.weight'])


def test_files_of_other_models_and_modules_without_such_layers(trunk, tmp_path):
    path = str(tmp_path / 'features.pth')
    torch.save(trunk.state_dict(), path)
    with pytest.raises(
        ValueError,
        match='does not fit Head: 4 of its 4 .* first fc6.weight; the file holds conv1_1.weight, .*'
        'Use a torchvision VGG16 file .* or a Caffe-born vgg16_20M file',
    ):
        load(Head(), path)
    with pytest.raises(ValueError, match='Linear has no layer named conv1_1'):
        load(nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match="images must be one of imagenet, .*; got 'bgr'"):
        PretrainedVGG16(path, images='bgr')
    with pytest.raises(FileNotFoundError, match='there is no file .*none.caffemodel'):
        load(VGG16LargeFOV(), str(tmp_path / 'none.caffemodel'))


def test_every_entry_of_torchvision_s_own_network_has_its_place():
    models = pytest.importorskip('torchvision.models')
    with torch.device('meta'):
        entries = models.vgg16().state_dict()
    found = rename_vgg16_entries(entries)
    classifier = {name: found.pop(name) for name in list(found) if name.startswith('classifier')}
    want = {**VGG16LargeFOV().state_dict(), **Head().state_dict()}
    want = {name: value.shape for name, value in want.items() if 'conv_seg' not in name}
    assert {name: value.shape for name, value in found.items()} == want
    assert list(classifier) == ['classifier.6.weight', 'classifier.6.bias']
