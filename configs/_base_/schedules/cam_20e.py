# Section 5.2 of the paper: SGD, 20 epochs of batches of 16, poly 0.9 set once per epoch.
train_cfg = dict(by_epoch=True, max_epochs=20, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    # The only new layer; fc6 and fc7 of VGG16 come with the pretrained weights.
    paramwise_cfg=dict(custom_keys={'head.fc8': dict(lr_mult=10.0)}),
)
# mmengine's PolyLR reaches eta_min one epoch before `end`: with 21, epoch e of 0 to 19 runs at
# lr * (1 - e / 20) ** 0.9, as the author's code; with 20 the last epoch would learn nothing.
param_scheduler = dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=21, by_epoch=True)
auto_scale_lr = dict(base_batch_size=16)
