"""Class maps of one image: against brute force, at every scale, and mirrored."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmws.classification import build_classifier, class_maps

MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    cfg = dict(
        type='ImageClassifier',
        backbone=dict(type='ResNet38', base_channels=1),
        head=dict(type='LinearCAMHead', in_channels=64, num_classes=3, dropout=0.5, bias=True),
        data_preprocessor=dict(mean=MEAN.tolist(), std=STD.tolist(), to_rgb=True),
    )
    model = build_classifier(Config(dict(model=cfg))).eval()
    torch.nn.init.normal_(model.head.fc8.weight)
    torch.nn.init.normal_(model.head.fc8.bias)
    return model


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (41, 57, 3), dtype=np.uint8)


def normalised(image):
    """What the network was trained on: RGB, divided by the deviation of each channel."""
    array = (image.astype(np.float64) - MEAN) / STD
    return torch.from_numpy(array.transpose(2, 0, 1)[None]).float()


def test_each_scale_is_the_map_of_the_resized_image(model, image):
    maps = class_maps(model, image)
    # rounded: 41 * .75 = 30.75, 57 * .75 = 42.75, 41 * .5 = 20.5 (upwards), 57 * .5 = 28.5
    for found, (height, width) in zip(maps, [(41, 57), (31, 43), (21, 29)], strict=True):
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        feats = model.backbone(normalised(small))
        torch.testing.assert_close(found, model.head.class_maps(feats)[0], rtol=1e-4, atol=1e-4)


def test_flip_averages_with_the_mirror_image(model, image):
    (plain,) = class_maps(model, image, scales=[1.0])
    (mirrored,) = class_maps(model, np.ascontiguousarray(image[:, ::-1]), scales=[1.0])
    (found,) = class_maps(model, image, scales=[1.0], flip=True)
    assert not torch.allclose(plain, mirrored.flip(2), atol=1e-3)
    torch.testing.assert_close(found, (plain + mirrored.flip(2)) / 2, rtol=1e-4, atol=1e-4)


def test_training_mode_is_kept_and_dropout_is_off(model, image):
    model.train()
    first, second = (class_maps(model, image, scales=[0.5])[0] for _ in range(2))
    assert model.training and not model.backbone.bn7.training
    model.eval()
    assert first.equal(second)
    assert not first.requires_grad


@pytest.mark.parametrize(
    'wrong, message',
    [
        (np.zeros((4, 4, 3), np.float32), r'uint8; got float32 \(4, 4, 3\)'),
        (np.zeros((4, 4), np.uint8), r'got uint8 \(4, 4\)'),
        (np.zeros((4, 4, 4), np.uint8), r'got uint8 \(4, 4, 4\)'),
        (torch.zeros(4, 4, 3), 'got .*Tensor'),
    ],
)
def test_wrong_image(model, wrong, message):
    with pytest.raises(ValueError, match=message):
        class_maps(model, wrong)


def test_wrong_scales(model, image):
    for scales in ([], [1.0, 0.0]):
        with pytest.raises(ValueError, match='scales must be positive'):
            class_maps(model, image, scales=scales)


def test_padding_preprocessor_is_refused(model, image):
    model.data_preprocessor.pad_size_divisor = 32
    try:
        with pytest.raises(ValueError, match=r'made \(64, 64\) of an image of size \(41, 57\)'):
            class_maps(model, image)
    finally:
        model.data_preprocessor.pad_size_divisor = 1
