# The majority vote of the twelve as one label: what MultiSeedDataset gives a stock segmentor.
_base_ = [
    '../_base_/models/deeplabv2_vgg16-small.py',
    '../_base_/datasets/shapes_12noisy.py',
    '../_base_/schedules/shapes_9e.py',
    '../_base_/msws_runtime.py',
]
