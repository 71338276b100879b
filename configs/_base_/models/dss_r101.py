# DSS on ResNet101: no side 1.
model = dict(
    type='DSS',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size_divisor=1,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='DSSResNet',
        depth=101,
        # Batches of one image: ImageNet's statistics and affine parameters stay as they are.
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    decode_head=dict(type='DSSHead', in_channels=[64, 256, 512, 1024, 2048]),
    train_cfg=dict(),
    test_cfg=dict(mode='whole', outputs=['side3', 'side4', 'side5', 'fuse'], min_max=True),
)
