# Seven epochs of 2,000 images from scratch.
train_cfg = dict(by_epoch=True, max_epochs=7, val_interval=7)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=6e-4, weight_decay=1e-2),
    clip_grad=dict(max_norm=5.0),
)
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=6e-4,
        pct_start=0.2,
        by_epoch=True,
        total_steps=7,
        convert_to_iter_based=True,
    )
]
