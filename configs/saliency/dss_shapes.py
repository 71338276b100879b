# A small DSS from scratch on the synthetic Shapes data, for trials of the whole path.
_base_ = [
    '../_base_/models/dss_vgg16-small.py',
    '../_base_/datasets/saliency_shapes.py',
    '../_base_/schedules/saliency_shapes.py',
    '../_base_/msws_runtime.py',
]
