# The masks of train_aug.
_base_ = '../../msws/deeplabv2_vgg16_gt.py'
