# Twelve seeds with weighted selective training.
_base_ = './deeplabv2_vgg16_12seeds_vote.py'

model = dict(type='mmws.MultiSeedSegmentor', base={{_base_.model.type}})

# How much of the weight right labels get, while the model learns.
custom_hooks = [
    dict(
        type='mmengine.RightWeightHook',
        gt_dir='data/shapes/SegmentationClassAug',
        interval=50,
        num_images=25,
    )
]
