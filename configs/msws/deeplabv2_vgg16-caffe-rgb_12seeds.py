# From the RGB form of the Caffe-born weights, which OpenMMLab offers.
_base_ = './deeplabv2_vgg16_12seeds.py'

pretrained = dict(type='PretrainedVGG16', checkpoint='open-mmlab://vgg16_caffe', images='rgb255')
model = dict(
    # RGB from 0 to 255 less Caffe's mean.
    data_preprocessor=dict(mean=[122.675, 116.669, 104.008], std=[1.0, 1.0, 1.0]),
    backbone=dict(init_cfg=pretrained),
    decode_head=dict(init_cfg=pretrained),
)
