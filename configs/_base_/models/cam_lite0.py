# EfficientNet-Lite0 from ImageNet with one linear layer, output stride 16: a classifier for CPUs.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='EfficientNetLite',
        arch='lite0',
        frozen_blocks=11,
        init_cfg=dict(type='PretrainedEfficientNetLite'),
    ),
    head=dict(type='LinearCAMHead', in_channels=1280, num_classes=20),
    data_preprocessor=dict(
        num_classes=20, mean=[127.0, 127.0, 127.0], std=[128.0, 128.0, 128.0], to_rgb=True
    ),
)
