# Photos with a text list of image-level labels, one line an image: `image_id class class ...`. The
# images and classes are VOC 2012's, those with nothing but these six in them.
data_root = 'data/voc_animals'
classes = ['cat', 'cow', 'dog', 'horse', 'person', 'sheep']

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomRelativeResize', ratio_range=(0.5, 1.5)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomCrop', crop_size=193, pad_if_needed=True, pad_val=127),
    dict(type='PackInputs'),
]
# Every image at its own size, as the class maps are made.
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ListImageLevelDataset',
        data_root=data_root,
        classes=classes,
        ann_file='ImageSets/train_labels.txt',
        id_file='ImageSets/Segmentation/train_balanced.txt',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    # One at a time: padding a batch to one size would change the scores.
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ListImageLevelDataset',
        data_root=data_root,
        classes=classes,
        ann_file='ImageSets/val_labels.txt',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='AveragePrecision')  # reported as multi-label/mAP
test_evaluator = val_evaluator
