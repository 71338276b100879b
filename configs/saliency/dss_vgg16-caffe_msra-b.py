# From Caffe-born weights and with Caffe's normalisation, as the released network.
_base_ = './dss_vgg16_msra-b.py'

model = dict(
    # BGR from 0 to 255 less Caffe's mean, in the order in which images are loaded.
    data_preprocessor=dict(mean=[104.007, 116.669, 122.679], std=[1.0, 1.0, 1.0], bgr_to_rgb=False),
    backbone=dict(
        init_cfg=dict(
            type='PretrainedVGG16', checkpoint='data/pretrained/vgg16_20M.pth', images='bgr255'
        )
    ),
)
