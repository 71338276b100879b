# From the Caffe-born weights that the authors' code starts from (`vgg16_20M`).
_base_ = './deeplabv2_vgg16_12seeds.py'

pretrained = dict(
    type='PretrainedVGG16', checkpoint='data/pretrained/vgg16_20M.pth', images='bgr255'
)
model = dict(
    # BGR from 0 to 255 less Caffe's mean, in the order in which images are loaded.
    data_preprocessor=dict(mean=[104.008, 116.669, 122.675], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(init_cfg=pretrained),
    decode_head=dict(init_cfg=pretrained),
)
