# The ResNet101 variant, with the solver of the VGG16 one.
_base_ = [
    '../_base_/models/dss_r101.py',
    '../_base_/datasets/saliency_msra-b.py',
    '../_base_/schedules/dss_120k.py',
    '../_base_/msws_runtime.py',
]
