# Twelve seeds with weighted selective training.
_base_ = './deeplabv2_vgg16_gt.py'

model = dict(type='mmws.MultiSeedSegmentor', base={{_base_.model.type}})

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmws.MultiSeedDataset',
        dataset={{_base_.train_dataloader.dataset}},
        seed_root='data/shapes/seeds',
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
    )
)

# How much of the weight right labels get, while the model learns.
custom_hooks = [
    dict(
        type='mmengine.RightWeightHook',
        gt_dir='data/shapes/SegmentationClassAug',
        interval=50,
        num_images=25,
    )
]
