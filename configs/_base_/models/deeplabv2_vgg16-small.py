# LargeFOV in small for the Shapes data: an eighth of VGG16's width, batch normalisation, and a
# field of view for feature maps of 12 x 12 cells. It starts from the CAM classifier, which knows
# image-level labels only, as the large one starts from ImageNet's.
classifier = 'work_dirs/vgg16_cam/epoch_7.pth'
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.5, 127.5, 127.5],
        std=[64.0, 64.0, 64.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
        size_divisor=8,
    ),
    backbone=dict(
        type='VGG16LargeFOV',
        base_channels=8,
        batch_norm=True,
        init_cfg=dict(type='Pretrained', checkpoint=classifier, prefix='backbone.'),
    ),
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=64,
        channels=64,
        num_classes=6,
        dilation=1,
        dropout_ratio=0.0,
        loss_at='image',
        loss_decode=dict(type='WSTLoss'),
        # fc6 and fc7; the classifying layer is new.
        init_cfg=dict(type='Pretrained', checkpoint=classifier, prefix='head.'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
