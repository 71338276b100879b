# Table 7: all twelve seeds with WST.
_base_ = '../../msws/deeplabv2_r101_12seeds.py'
