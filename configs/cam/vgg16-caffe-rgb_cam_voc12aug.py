# The same net from Caffe-born weights whose first kernels have been turned to RGB, as those that
# mmdet's SSD starts from (with fc6 and fc7, unlike torchvision's IMAGENET1K_FEATURES).
_base_ = './vgg16_cam_voc12aug.py'

pretrained = dict(type='PretrainedVGG16', checkpoint='open-mmlab://vgg16_caffe', images='rgb255')
model = dict(
    backbone=dict(init_cfg=pretrained),
    head=dict(init_cfg=pretrained),
    # RGB from 0 to 255 less Caffe's mean.
    data_preprocessor=dict(mean=[122.675, 116.669, 104.008], std=[1.0, 1.0, 1.0], to_rgb=True),
)
