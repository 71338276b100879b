# LargeFOV on ResNet101: one dilated convolution on the last feature map, output stride 8.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='ResNet',
        depth=101,
        num_stages=4,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        # The first unit of a stage is dilated like the others.
        contract_dilation=False,
        # ImageNet's statistics and affine parameters stay as they are.
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        # ImageNet only: weights trained on COCO would bring masks into weak supervision.
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101'),
    ),
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=2048,
        channels=None,
        num_classes=21,
        dilation=12,
        loss_at='feature',
        loss_decode=dict(type='WSTLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
