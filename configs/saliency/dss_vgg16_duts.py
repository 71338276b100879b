# On DUTS, with four times as many images as MSRA-B has, and twice the paper's number of passes.
_base_ = [
    '../_base_/models/dss_vgg16.py',
    '../_base_/datasets/saliency_duts.py',
    '../_base_/schedules/dss_120k.py',
    '../_base_/msws_runtime.py',
]

train_cfg = dict(max_iters=240000, val_interval=20000)
param_scheduler = [dict(type='MultiStepLR', milestones=[150000], gamma=0.1, by_epoch=False)]
