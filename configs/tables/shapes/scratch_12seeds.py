# From nothing instead of the classifier.
_base_ = './12seeds.py'

model = dict(backbone=dict(init_cfg=None), decode_head=dict(init_cfg=None))
