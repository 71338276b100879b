# On DUTS as it comes: 10,553 images to train on in DUTS-TR, 5,019 to test on in DUTS-TE. Four times
# as many as MSRA-B has, and twice the paper's number of passes.
_base_ = './dss_vgg16_msra-b.py'

data_root = 'data/DUTS/'
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='DUTS-TR/DUTS-TR-Image', seg_map_path='DUTS-TR/DUTS-TR-Mask'),
        ann_file='',  # all images of the folder
    )
)
val_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        data_prefix=dict(img_path='DUTS-TE/DUTS-TE-Image', seg_map_path='DUTS-TE/DUTS-TE-Mask'),
        ann_file='',
    )
)
test_dataloader = val_dataloader

train_cfg = dict(max_iters=240000, val_interval=20000)
param_scheduler = [dict(type='MultiStepLR', milestones=[150000], gamma=0.1, by_epoch=False)]
