# Table 6: all twelve seeds with WST.
_base_ = '../../msws/deeplabv2_vgg16_12seeds.py'
