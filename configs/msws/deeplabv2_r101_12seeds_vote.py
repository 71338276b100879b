# Baseline: the majority vote of the twelve as one label, which is what MultiSeedDataset gives a
# stock segmentor.
_base_ = [
    '../_base_/models/deeplabv2_r101_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20e.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
    decode_head=dict(loss_decode=dict(_delete_=True, type='CrossEntropyLoss', avg_non_ignore=True)),
)
optim_wrapper = dict(optimizer=dict(lr=5e-4))
