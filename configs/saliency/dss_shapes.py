# A small DSS from scratch on the synthetic Shapes data, for trials of the whole path. Make the
# data: python tools/make_shapes.py --out data/shapes
_base_ = [
    '../_base_/models/dss_vgg16.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/shapes_4e.py',
    '../_base_/msws_runtime.py',
]

# An eighth of the channels, and batch normalisation.
model = dict(
    backbone=dict(base_channels=8, batch_norm=True, init_cfg=None),
    decode_head=dict(
        in_channels=[8, 16, 32, 64, 64, 64], base_channels=8, norm_cfg=dict(type='BN')
    ),
)

# Any object is salient.
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask', source='labels'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask', source='labels'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16, dataset=dict(type='SaliencyDataset', pipeline=train_pipeline)
)
val_dataloader = dict(dataset=dict(type='SaliencyDataset', pipeline=test_pipeline))
test_dataloader = val_dataloader
# Written twice: mmengine takes _delete_ out of the first.
val_evaluator = dict(_delete_=True, type='SaliencyMetric')
test_evaluator = dict(_delete_=True, type='SaliencyMetric')

# From scratch: 1,000 steps of 16 images, a quarter of an hour on one core.
train_cfg = dict(max_epochs=8, val_interval=4)
optim_wrapper = dict(optimizer=dict(lr=3e-3), clip_grad=None)
param_scheduler = [
    dict(type='OneCycleLR', eta_max=3e-3, by_epoch=True, total_steps=8, convert_to_iter_based=True)
]
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=4, max_keep_ckpts=1))
