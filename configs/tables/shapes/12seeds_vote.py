# Their majority vote as one label: what MultiSeedDataset gives a stock segmentor.
_base_ = [
    '../../_base_/models/deeplabv2_vgg16-small.py',
    '../../_base_/datasets/shapes_12seeds.py',
    '../../_base_/schedules/shapes_4e.py',
    '../../_base_/msws_runtime.py',
]
