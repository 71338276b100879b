# LargeFOV on EfficientNet-Lite0: one dilated convolution on the last feature map, output stride 16.
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        mean=[127.0, 127.0, 127.0],
        std=[128.0, 128.0, 128.0],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type='EfficientNetLite',
        arch='lite0',
        frozen_blocks=11,
        init_cfg=dict(type='PretrainedEfficientNetLite'),
    ),
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=1280,
        channels=None,
        num_classes=21,
        dilation=6,
        # A cell is 16 pixels wide: the label of one pixel in it says too little.
        loss_at='image',
        loss_decode=dict(type='WSTLoss'),
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
