# The VGG16 CAM net in small, to train from scratch on the Shapes data: an eighth of its width, with
# batch normalisation. The trunk is that of deeplabv2_vgg16-small.
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VGG16LargeFOV', base_channels=8, batch_norm=True),
    head=dict(type='VGG16CAMHead', in_channels=64, channels=64, num_classes=5, dropout=0.0),
    data_preprocessor=dict(
        num_classes=5, mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], to_rgb=True
    ),
)
