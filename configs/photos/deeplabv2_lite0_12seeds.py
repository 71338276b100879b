# Twelve seeds with weighted selective training on the photos.
_base_ = [
    '../_base_/models/deeplabv2_lite0_largefov.py',
    '../_base_/datasets/photos_12seeds.py',
    '../_base_/schedules/photos_3e.py',
    '../_base_/msws_runtime.py',
]

classifier = 'work_dirs/lite0_cam/epoch_2.pth'
model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(321, 321))),
    # The classifier has seen image-level labels only.
    backbone=dict(
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=classifier, prefix='backbone.')
    ),
    decode_head=dict(num_classes=7),
)
