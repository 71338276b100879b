# DeepLab-v2's literal schedule in place of the authors': 20,000 iterations of batches of 10.
_base_ = [
    '../_base_/models/deeplabv2_vgg16_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20k.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
)
train_dataloader = dict(
    batch_size=10,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)
