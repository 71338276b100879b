# The majority vote of the classifiers' twelve seeds as one label: what MultiSeedDataset gives a
# stock segmentor.
_base_ = './deeplabv2_vgg16_gt.py'

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
