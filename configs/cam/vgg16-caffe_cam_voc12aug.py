# The same net from the Caffe-born weights that the author's code starts from (`vgg16_20M`).
_base_ = './vgg16_cam_voc12aug.py'

pretrained = dict(
    type='PretrainedVGG16', checkpoint='data/pretrained/vgg16_20M.pth', images='bgr255'
)
model = dict(
    backbone=dict(init_cfg=pretrained),
    head=dict(init_cfg=pretrained),
    # BGR from 0 to 255 less Caffe's mean, in the order in which images are loaded.
    data_preprocessor=dict(mean=[104.008, 116.669, 122.675], std=[1.0, 1.0, 1.0], to_rgb=False),
)
