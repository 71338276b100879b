"""Opening a checkpoint, and refusing one that does not fit."""

import pytest
import torch
from mmengine.config import Config

from mmws.classification import build_classifier, load_classifier


def config(num_classes=3, base_channels=1, head='LinearCAMHead'):
    return Config(
        dict(
            model=dict(
                type='ImageClassifier',
                backbone=dict(type='ResNet38', base_channels=base_channels),
                head=dict(type=head, in_channels=64 * base_channels, num_classes=num_classes),
            ),
            data_preprocessor=dict(mean=[10.0, 20.0, 30.0], std=[2.0, 2.0, 2.0], to_rgb=True),
        )
    )


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    torch.manual_seed(1)
    model = build_classifier(config())
    meta = dict(dataset_meta=dict(classes=('x', 'y', 'z')))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path, model


def test_weights_mode_and_classes(checkpoint):
    path, source = checkpoint
    model = load_classifier(config(), path)
    assert not model.training
    assert model.dataset_meta == dict(classes=('x', 'y', 'z'))
    for name, value in source.state_dict().items():
        assert value.equal(model.state_dict()[name]), name
    # The preprocessor stands beside the model in mmpretrain's configs.
    assert model.data_preprocessor.mean.flatten().tolist() == [10, 20, 30]


def test_config_file_and_bare_weights(checkpoint, tmp_path):
    path, source = checkpoint
    file = tmp_path / 'config.py'
    config().dump(file)
    bare = tmp_path / 'bare.pth'
    torch.save({f'module.{k}': v for k, v in source.state_dict().items()}, bare)
    model = load_classifier(str(file), str(bare))
    assert model.dataset_meta == dict(classes=None)
    assert model.head.fc8.weight.equal(source.head.fc8.weight)


@pytest.mark.parametrize(
    'other, message',
    [
        (dict(num_classes=20), r'head.fc8.weight is \(3, .*num_classes'),
        (dict(head='VGG16CAMHead'), r'head.fc8.weight is \(3, 64, 1, 1\) .* \(3, 1024, 1, 1\)'),
        (dict(base_channels=2), r'conv1a.weight is \(1, 3, 3, 3\) .* and \(2, 3, 3, 3\)'),
    ],
)
def test_a_checkpoint_of_another_config(checkpoint, other, message):
    with pytest.raises(ValueError, match=message):
        load_classifier(config(**other), checkpoint[0])


def test_configs_of_no_cam_classifier():
    cfg = config()
    cfg.model.head = dict(type='MultiLabelLinearClsHead', in_channels=64, num_classes=3)
    with pytest.raises(ValueError, match='MultiLabelLinearClsHead, which gives no class maps'):
        build_classifier(cfg)
    with pytest.raises(ValueError, match='no `model`'):
        build_classifier(Config(dict()))
