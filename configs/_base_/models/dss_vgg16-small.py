# DSS with an eighth of the channels and batch normalisation, to train from scratch.
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
    backbone=dict(type='DSSVGG16', base_channels=8, batch_norm=True),
    decode_head=dict(
        type='DSSHead',
        in_channels=[8, 16, 32, 64, 64, 64],
        base_channels=8,
        norm_cfg=dict(type='BN'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole', outputs=['side3', 'side4', 'side5', 'fuse'], min_max=True),
)
