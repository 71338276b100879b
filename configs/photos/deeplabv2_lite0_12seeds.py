# Twelve seeds of the two CAM classifiers (lite0_cam.py and lite2_cam.py) with weighted selective
# training on the photos. Images and masks are VOC's own, so a mask holds VOC's numbers (cat is 8);
# `metainfo` makes mmseg count the six classes from 1.
_base_ = [
    '../_base_/models/deeplabv2_lite0_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/msws_runtime.py',
]

data = dict(
    data_root='data/voc_animals',
    metainfo=dict(classes=('background', 'cat', 'cow', 'dog', 'horse', 'person', 'sheep')),
)
# 16 n + 1, as n + 1 cells of the network lie 16 pixels apart.
crop_size = (161, 161)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    # Seen smaller than in the test, large objects turn into background there.
    dict(type='RandomRelativeResize', ratio_range=(0.75, 1.75)),
    # Smaller images are padded to the crop by the data preprocessor.
    dict(type='RandomCrop', crop_size=crop_size),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(
    num_workers=1,
    dataset=dict(
        seed_root='data/photo_seeds',
        seed_dirs=[
            'lite0_threshold_x1.0',
            'lite0_threshold_x0.75',
            'lite0_threshold_x0.5',
            'lite0_crf_x1.0',
            'lite0_crf_x0.75',
            'lite0_crf_x0.5',
            'lite2_threshold_x1.0',
            'lite2_threshold_x0.75',
            'lite2_threshold_x0.5',
            'lite2_crf_x1.0',
            'lite2_crf_x0.75',
            'lite2_crf_x0.5',
        ],
        dataset=dict(
            data,
            ann_file='ImageSets/Segmentation/train_balanced.txt',
            pipeline=train_pipeline,
        ),
    ),
)
val_dataloader = dict(num_workers=1, dataset=data)
test_dataloader = val_dataloader

classifier = 'work_dirs/lite0_cam/epoch_2.pth'
model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size=(321, 321))),
    # The classifier has seen image-level labels only.
    backbone=dict(
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=classifier, prefix='backbone.')
    ),
    decode_head=dict(num_classes=7),
)

# Three epochs of the thousand photos from pretrained weights, for CPUs.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-4, weight_decay=1e-2),
    # The only new layer.
    paramwise_cfg=dict(custom_keys={'conv_seg': dict(lr_mult=10.0)}),
)
# Set at every iteration. OneCycleLR would give all layers one rate.
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=3,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=10),
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    visualization=dict(type='SegVisualizationHook'),
)
