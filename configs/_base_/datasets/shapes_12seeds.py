# Shapes with the twelve seeds of the two CAM classifiers (vgg16_cam.py and res38_cam.py).
_base_ = './shapes.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MultiSeedDataset',
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
