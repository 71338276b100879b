# The ground truth as the only label: what the seeds are compared with.
_base_ = [
    '../_base_/models/deeplabv2_vgg16-small.py',
    '../_base_/datasets/shapes.py',
    '../_base_/schedules/shapes_4e.py',
    '../_base_/msws_runtime.py',
]
