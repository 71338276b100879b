# VOC 2012 train_aug with the paper's twelve seeds: two CAM backbones, two ways from a CAM to a
# seed, three image scales. The masks of train_aug are not read and need not exist.
_base_ = './voc12aug.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmws.MultiSeedDataset',
        # In its pipeline LoadAnnotations and PackSegInputs become LoadMultiSeedAnnotations and
        # PackMultiSeedInputs.
        dataset={{_base_.train_dataloader.dataset}},
        seed_root='data/seeds',
        seed_dirs=[
            'vgg16_threshold_x1.0',
            'vgg16_threshold_x0.75',
            'vgg16_threshold_x0.5',
            'vgg16_crf_x1.0',
            'vgg16_crf_x0.75',
            'vgg16_crf_x0.5',
            'res38_threshold_x1.0',
            'res38_threshold_x0.75',
            'res38_threshold_x0.5',
            'res38_crf_x1.0',
            'res38_crf_x0.75',
            'res38_crf_x0.5',
        ],
    ),
)
