"""VGG16LargeFOV against a functional re-computation, and its numbers."""

import torch
import torch.nn.functional as F

from mmws.backbones import VGG16LargeFOV


def test_forward_is_the_table_of_layers():
    """Written out layer by layer, as DeepLab's definition lists them."""
    torch.manual_seed(0)
    model = VGG16LargeFOV(base_channels=4).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image = torch.randn(2, 3, 35, 52, dtype=torch.float64)

    def conv(x, name, dilation=1):
        layer = getattr(model, name)
        return F.conv2d(x, layer.weight, layer.bias, padding=dilation, dilation=dilation).relu()

    x = conv(conv(image, 'conv1_1'), 'conv1_2')
    x = F.max_pool2d(x, 3, 2, 1)
    x = conv(conv(x, 'conv2_1'), 'conv2_2')
    x = F.max_pool2d(x, 3, 2, 1)
    x = conv(conv(conv(x, 'conv3_1'), 'conv3_2'), 'conv3_3')
    x = F.max_pool2d(x, 3, 2, 1)
    x = conv(conv(conv(x, 'conv4_1'), 'conv4_2'), 'conv4_3')
    x = F.max_pool2d(x, 3, 1, 1)
    x = conv(conv(conv(x, 'conv5_1', 2), 'conv5_2', 2), 'conv5_3', 2)
    x = F.max_pool2d(x, 3, 1, 1)
    # pool5a: a ninth everywhere, also at the border where fewer cells are summed.
    kernel = torch.full((x.shape[1], 1, 3, 3), 1 / 9, dtype=x.dtype)
    x = F.conv2d(x, kernel, padding=1, groups=x.shape[1])

    assert x.std() > 0
    torch.testing.assert_close(model(image)[0], x)
