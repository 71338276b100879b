# Three seeds: threshold of VGG16, three scales.
_base_ = './12seeds.py'

train_dataloader = dict(
    dataset=dict(
        seed_dirs=[
            'vgg16_threshold_x1.0',
            'vgg16_threshold_x0.75',
            'vgg16_threshold_x0.5',
        ],
    )
)
