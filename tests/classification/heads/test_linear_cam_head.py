"""The head that any backbone takes, and the decomposition that all CAM heads promise."""

import pytest
import torch
from mmpretrain.structures import DataSample

from mmws.classification import LinearCAMHead, VGG16CAMHead


def samples(*labels):
    return [DataSample().set_gt_label(label) for label in labels]


def build_all():
    return [
        LinearCAMHead(6, 3, dropout=0.5),
        LinearCAMHead(6, 3, bias=True),
        VGG16CAMHead(6, 3, channels=5),
    ]


@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize('head', build_all(), ids=['linear', 'linear+bias', 'vgg16'])
def test_mean_of_the_map_is_the_score(head, training):
    torch.manual_seed(0)
    if head.fc8.bias is not None:
        torch.nn.init.normal_(head.fc8.bias, std=3.0)
    head.train(training)
    feats = (torch.randn(1, 1, 1, 1), torch.randn(2, 6, 5, 7))
    torch.manual_seed(1)  # the same dropout in both
    maps = head.class_maps(feats)
    torch.manual_seed(1)
    scores = head(feats)
    assert maps.shape == (2, 3, 5, 7)
    torch.testing.assert_close(scores, maps.mean((2, 3)), rtol=0, atol=0)


def test_loss_by_hand():
    head = LinearCAMHead(2, 2)
    head.fc8.weight.data = torch.eye(2)[:, :, None, None]
    feature = torch.tensor([[2.0, -1.0], [0.0, 3.0]])[:, :, None, None].expand(2, 2, 2, 2)
    loss = head.loss((feature,), samples([0], [0, 1]))['loss']
    # image 0, label 0: -log s(2) - log(1 - s(-1)); image 1, both: -log s(0) - log s(3)
    expected = (0.126928 + 0.313262 + 0.693147 + 0.048587) / 2
    assert loss.item() == pytest.approx(expected, abs=1e-5)


def test_initial_weights():
    head = LinearCAMHead(1000, 20, bias=True)
    assert head.fc8.weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert not head.fc8.bias.any()
    before = head.fc8.weight.clone()
    head.init_weights()
    assert head.fc8.weight.equal(before)


def test_pooled_features_are_refused():
    with pytest.raises(ValueError, match=r'feature map .* got \(2, 6\)\. Leave out the pooling'):
        LinearCAMHead(6, 3)((torch.randn(2, 6),))
