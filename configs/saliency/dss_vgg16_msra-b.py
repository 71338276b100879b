# The paper's network, data and solver.
_base_ = [
    '../_base_/models/dss_vgg16.py',
    '../_base_/datasets/saliency_msra-b.py',
    '../_base_/schedules/dss_120k.py',
    '../_base_/msws_runtime.py',
]
