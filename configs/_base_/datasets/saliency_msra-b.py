# MSRA-B in its usual layout: image/0_0_272.jpg, annotation/0_0_272.png, and the lists of the
# division that papers use since CVPR 2013, one mask's name a line: 2,500 images to train on, 500 to
# validate, 2,000 to test.
dataset_type = 'SaliencyDataset'
data_root = 'data/MSRA-B/'

# Every image at its own size, so batches of one.
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
        data_prefix=dict(img_path='image', seg_map_path='annotation'),
        ann_file='train_cvpr2013.txt',
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
        data_prefix=dict(img_path='image', seg_map_path='annotation'),
        ann_file='valid_cvpr2013.txt',
        pipeline=test_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader['dataset'], ann_file='test_cvpr2013.txt')
)
val_evaluator = dict(type='SaliencyMetric')
test_evaluator = val_evaluator
