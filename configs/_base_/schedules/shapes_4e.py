# Four epochs of 2,000 images: two minutes on one core.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=4, val_interval=4)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=1e-4),
    # Without it, and at higher rates, some runs never leave the background.
    clip_grad=dict(max_norm=1.0),
)
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=1e-3,
        pct_start=0.2,
        by_epoch=True,
        total_steps=4,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=25),
    # mmengine removes an old one before the new one is written.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    visualization=dict(type='SegVisualizationHook'),
)
