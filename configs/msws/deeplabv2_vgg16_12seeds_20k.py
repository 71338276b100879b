# DeepLab-v2's literal schedule in place of the authors': 20,000 iterations of batches of 10, poly
# 0.9 at every iteration, and Caffe's custom for biases: twice the learning rate, no weight decay.
_base_ = [
    '../_base_/models/deeplabv2_vgg16_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(size={{_base_.crop_size}}, test_cfg=dict(size=(513, 513))),
)
train_dataloader = dict(
    batch_size=10,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)

train_cfg = dict(type='IterBasedTrainLoop', max_iters=20000, val_interval=4000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        bias_lr_mult=2.0,
        bias_decay_mult=0.0,
        # Of two keys that match, mmengine takes the longer.
        custom_keys={
            'conv_seg': dict(lr_mult=10.0),
            'conv_seg.bias': dict(lr_mult=20.0, decay_mult=0.0),
        },
    ),
)
# One past the end, so that iteration i runs at lr * (1 - i / 20000) ** 0.9.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=20001, by_epoch=False)]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(enable=False, base_batch_size=10)
