# ResNet38 in small, to train from scratch on the Shapes data: a tenth of its width, no dropout.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet38',
        base_channels=6,
        dropout=(0.0, 0.0),
        norm_frozen=False,
        stem_frozen=False,
    ),
    head=dict(type='LinearCAMHead', in_channels=384, num_classes=5),
    data_preprocessor=dict(
        num_classes=5, mean=[127.5, 127.5, 127.5], std=[64.0, 64.0, 64.0], to_rgb=True
    ),
)
