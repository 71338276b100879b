# DeepLab-v2's ASPP on VGG16: 37,877,652 parameters.
_base_ = './deeplabv2_vgg16_largefov.py'

model = dict(
    decode_head=dict(
        _delete_=True,
        type='DeepLabV2Head',
        in_channels=512,
        channels=1024,
        num_classes=21,
        dilations=(6, 12, 18, 24),
        dropout_ratio=0.5,
        loss_at='feature',
        loss_decode=dict(type='WSTLoss', scale=1.0),
        init_cfg={{_base_.pretrained}},
    ),
)
