# On DUTS as it comes: 10,553 images to train on in DUTS-TR, 5,019 to test on in DUTS-TE. Four times
# as many as MSRA-B has, and twice the paper's number of passes.
_base_ = [
    '../_base_/models/dss_vgg16.py',
    '../_base_/schedules/dss_120k.py',
    '../_base_/msws_runtime.py',
]

dataset_type = 'SaliencyDataset'
data_root = 'data/DUTS/'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadSaliencyMask'),
    dict(type='PackSegInputs'),
]

train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='DUTS-TR/DUTS-TR-Image', seg_map_path='DUTS-TR/DUTS-TR-Mask'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path='DUTS-TE/DUTS-TE-Image', seg_map_path='DUTS-TE/DUTS-TE-Mask'),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SaliencyMetric')
test_evaluator = val_evaluator

train_cfg = dict(max_iters=240000, val_interval=20000)
param_scheduler = [dict(type='MultiStepLR', milestones=[150000], gamma=0.1, by_epoch=False)]
