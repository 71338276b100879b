# The paper's solver: 12,000 updates from 10 images each, learning rate / 10 after 7,500. mmengine
# counts images here, as batches are of one: 120,000, and 75,000.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=120000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    # The paper's 1e-8 goes with a loss that is summed over the pixels of an image. Ours is their
    # mean, so its gradients are smaller by the number of pixels: 400 x 300 = 1.2e5 in MSRA-B, which
    # makes the same step 1e-8 * 1.2e5 = 1.2e-3. Weight decay does not pass through the loss: the
    # same 5e-4 takes next to nothing off the weights at 1e-8, and about 4% in all of this training.
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    accumulative_counts=10,  # on n GPUs 10 / n, and all counts of iterations / n
    paramwise_cfg=dict(
        # Caffe's custom.
        bias_lr_mult=2.0,
        bias_decay_mult=0.0,
        # Every 1x1 convolution to one map. Of two keys that match, mmengine takes the longer.
        custom_keys={
            'score': dict(lr_mult=0.1),
            'score.bias': dict(lr_mult=0.2, decay_mult=0.0),
            'combine': dict(lr_mult=0.1),
            'combine.bias': dict(lr_mult=0.2, decay_mult=0.0),
            'fuse': dict(lr_mult=0.1),
            'fuse.bias': dict(lr_mult=0.2, decay_mult=0.0),
        },
    ),
)
param_scheduler = [dict(type='MultiStepLR', milestones=[75000], gamma=0.1, by_epoch=False)]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=100, log_metric_by_epoch=False),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=10000, max_keep_ckpts=2),
    visualization=dict(type='SegVisualizationHook'),
)
log_processor = dict(by_epoch=False)
# mmengine divides the images of a step on all GPUs by this, and does not know of
# accumulative_counts: one image a step is the learning rate above.
auto_scale_lr = dict(enable=False, base_batch_size=1)
