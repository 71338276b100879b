# Their plain average (Eq. 4) in place of WST.
_base_ = './r101_12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(scale=0.0)))
