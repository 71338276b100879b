# DeepLab-v2 with ASPP in place of LargeFOV: 37,877,652 parameters.
_base_ = [
    '../_base_/models/deeplabv2_vgg16_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20e.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
    decode_head=dict(
        _delete_=True,
        type='DeepLabV2Head',
        in_channels=512,
        channels=1024,
        num_classes=21,
        dilations=(6, 12, 18, 24),
        dropout_ratio=0.5,
        loss_at='feature',
        loss_decode=dict(type='WSTLoss'),
        init_cfg={{_base_.pretrained}},
    ),
)
