"""EfficientNet-Lite: what dilation replaces, what is frozen, the size of the released networks."""

import pytest
import torch
from torch import nn

from mmws.backbones import EfficientNetLite


@pytest.fixture(scope='module')
def image():
    return torch.randn(1, 3, 70, 97, generator=torch.Generator().manual_seed(0))


def features(image, output_stride):
    torch.manual_seed(0)
    model = EfficientNetLite('lite0', output_stride=output_stride).eval().double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # statistics that leave differences between cells
            module.running_var.fill_(1e-2)
    with torch.no_grad():
        return model(image.double())[0]


def test_cells_lie_on_every_sixteenth_pixel_whatever_the_stride(image):
    fine, middle, coarse = (features(image, stride) for stride in (8, 16, 32))
    assert middle.shape == (1, 1280, 5, 7)  # ceil(70 / 16), ceil(97 / 16)
    assert middle.std() > 0
    torch.testing.assert_close(fine[..., ::2, ::2], middle)
    torch.testing.assert_close(middle[..., ::2, ::2], coarse)


@pytest.mark.parametrize(
    'arch, blocks, parameters, last', [('lite0', 16, 3371008, 320), ('lite2', 21, 4811072, 352)]
)
def test_size_of_the_released_networks(arch, blocks, parameters, last):
    model = EfficientNetLite(arch)
    assert len(model.blocks) == blocks
    # The released files hold 1280 x 1000 + 1000 more, the ImageNet classifier.
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model.conv_head.in_channels == last


def test_statistics_are_frozen_unless_asked(image):
    for norm_eval in (True, False):
        model = EfficientNetLite('lite0', norm_eval=norm_eval).train()
        model(image)
        assert (model.bn1.running_mean == 0).all() == norm_eval
        assert model.bn1.weight.requires_grad


def test_first_blocks_keep_their_weights(image):
    model = EfficientNetLite('lite0', frozen_blocks=2)
    model(image)[0].sum().backward()
    learning = {name for name, value in model.named_parameters() if value.grad is not None}
    frozen = ('conv_stem', 'bn0', 'blocks.0.', 'blocks.1.')
    assert learning == {name for name, _ in model.named_parameters() if not name.startswith(frozen)}


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(arch='b0'), "arch must be one of lite0, lite1, .*got 'b0'"),
        (dict(output_stride=4), 'output_stride must be 8, 16 or 32; got 4'),
        (dict(frozen_blocks=17), 'frozen_blocks must be 0 to 16, the blocks of lite0; got 17'),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**options)
