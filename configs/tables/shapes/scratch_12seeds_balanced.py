# From nothing instead of the classifier.
_base_ = './12seeds_balanced.py'

model = dict(backbone=dict(init_cfg=None), decode_head=dict(init_cfg=None))
