# The masks of train_aug.
_base_ = '../../msws/deeplabv2_r101_gt.py'
