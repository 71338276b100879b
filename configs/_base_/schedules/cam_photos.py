# Two epochs from ImageNet weights: 150 steps of 16 of a thousand photos.
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=2)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=4e-4, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys={'head.fc8': dict(lr_mult=10.0)}),
)
# Set at every iteration. OneCycleLR would give all layers one rate.
param_scheduler = [
    dict(
        type='PolyLR',
        power=0.9,
        eta_min=0.0,
        begin=0,
        end=2,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
