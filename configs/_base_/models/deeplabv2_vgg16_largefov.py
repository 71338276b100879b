# DeepLab-v2 LargeFOV on VGG16, the paper's network: 20,505,429 parameters, output stride 8.
pretrained = dict(type='PretrainedVGG16', checkpoint='torchvision://vgg16', images='imagenet')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(
        type='SegDataPreProcessor',
        # The weight file decides: torchvision's VGG16 was trained on images normalised so.
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        # After normalisation: images are padded with the mean colour, labels with "unknown".
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(type='VGG16LargeFOV', init_cfg=pretrained),
    decode_head=dict(
        type='LargeFOVHead',
        in_channels=512,
        channels=1024,
        num_classes=21,
        dilation=12,
        dropout_ratio=0.5,
        # The loss is computed on the grid of the logits: 41 x 41 for a crop of 321.
        loss_at='feature',
        # With one label map this is cross entropy over the labelled pixels.
        loss_decode=dict(type='WSTLoss'),
        init_cfg=pretrained,
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)
