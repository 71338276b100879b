# Twelve seeds of the CAM classifiers with weighted selective training.
_base_ = [
    '../../_base_/models/deeplabv2_vgg16-small.py',
    '../../_base_/datasets/shapes_12seeds.py',
    '../../_base_/schedules/shapes_4e.py',
    '../../_base_/msws_runtime.py',
]

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
