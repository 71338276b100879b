# DSS on VGG16: 62,225,505 parameters.
model = dict(
    type='DSS',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # The weight file decides: torchvision's VGG16 was trained on images normalised so.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        # Batches of images that differ in size are padded, and the padding does not count.
        size_divisor=1,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='DSSVGG16',
        init_cfg=dict(type='PretrainedVGG16', checkpoint='torchvision://vgg16', images='imagenet'),
    ),
    decode_head=dict(type='DSSHead', in_channels=[64, 128, 256, 512, 512, 512]),
    train_cfg=dict(),
    # The released code averages these outputs and stretches every map to [0, 1].
    test_cfg=dict(mode='whole', outputs=['side3', 'side4', 'side5', 'fuse'], min_max=True),
)
