# The authors' recipe: SGD, 20 epochs of batches of 16 (13,220 iterations on train_aug), poly 0.9
# set once per epoch.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    # The only new layer, or layers in ASPP; fc6 and fc7 come with the pretrained weights.
    paramwise_cfg=dict(custom_keys={'conv_seg': dict(lr_mult=10.0)}),
)
# mmengine's PolyLR reaches eta_min one epoch before `end`: with 21, epoch e of 0 to 19 runs at
# lr * (1 - e / 20) ** 0.9; with 20 the last epoch would learn nothing.
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=21, by_epoch=True)]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    # The last epoch is the result; one more to go back to.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    visualization=dict(type='SegVisualizationHook'),
)
auto_scale_lr = dict(enable=False, base_batch_size=16)
