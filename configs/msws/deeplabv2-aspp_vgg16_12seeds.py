# DeepLab-v2 with ASPP in place of LargeFOV.
_base_ = [
    '../_base_/models/deeplabv2-aspp_vgg16.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20e.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
)
