"""The author's VGG16 head; its decomposition is tested with the linear one."""

import torch
import torch.nn.functional as F

from mmws.classification import VGG16CAMHead


def test_equals_a_functional_recomputation():
    head = VGG16CAMHead(6, 3, channels=5).eval()
    state = head.state_dict()
    feature = torch.randn(2, 6, 7, 9)
    x = F.conv2d(feature, state['fc6.weight'], state['fc6.bias'], padding=1).clamp(min=0)
    x = F.conv2d(x, state['fc7.weight'], state['fc7.bias']).clamp(min=0)
    torch.testing.assert_close(head.pre_logits((feature,)), x)
    x = F.conv2d(x, state['fc8.weight'], state['fc8.bias'])
    torch.testing.assert_close(head.class_maps((feature,)), x)


def test_dropout_follows_fc6_and_fc7_in_training():
    head = VGG16CAMHead(6, 3, channels=50, dropout=1.0).train()
    torch.nn.init.ones_(head.fc8.bias)
    # With everything dropped only the bias of fc8 is left.
    maps = head.class_maps((torch.randn(1, 6, 4, 4),))
    assert maps.equal(torch.ones_like(maps))
