# VOC 2012 train_aug with image-level labels from the XML files. Other sources of labels, with the
# same pipelines: LabelMapImageLevelDataset, ListImageLevelDataset, mmpretrain's MultiLabelDataset.
dataset_type = 'VOCImageLevelDataset'
data_root = 'data/VOCdevkit/VOC2012/'
crop_size = 321

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomRelativeResize', ratio_range=(0.5, 1.5)),
    dict(type='RandomFlip', prob=0.5),
    # An image smaller than the crop is centred on ImageNet's mean colour (BGR, as loaded), which
    # the preprocessor takes to zero.
    dict(type='RandomCrop', crop_size=crop_size, pad_if_needed=True, pad_val=(104, 116, 124)),
    dict(type='PackInputs'),
]
# Every image at its own size, as the class maps are made.
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    # One at a time: padding a batch to one size would change the scores.
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='AveragePrecision')  # reported as multi-label/mAP
test_evaluator = val_evaluator
