# DeepLab-v2's literal schedule in place of the authors': 20,000 iterations of batches of 10, poly
# 0.9 at every iteration, and Caffe's custom for biases: twice the learning rate, no weight decay.
_base_ = './deeplabv2_vgg16_12seeds.py'

train_dataloader = dict(
    batch_size=10,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True),
)

train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=20000, val_interval=4000)
optim_wrapper = dict(
    paramwise_cfg=dict(
        bias_lr_mult=2.0,
        bias_decay_mult=0.0,
        # Of two keys that match, mmengine takes the longer.
        custom_keys={'conv_seg.bias': dict(lr_mult=20.0, decay_mult=0.0)},
    ),
)
# One past the end, so that iteration i runs at lr * (1 - i / 20000) ** 0.9.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=20001, by_epoch=False)]
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False),
    checkpoint=dict(by_epoch=False, interval=4000),
)
log_processor = dict(by_epoch=False)
auto_scale_lr = dict(base_batch_size=10)
