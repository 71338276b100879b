# The paper's result on ResNet101 (Table 7).
_base_ = [
    '../_base_/models/deeplabv2_r101_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20e.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
