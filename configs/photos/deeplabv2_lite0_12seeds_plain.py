# The plain average over the seeds (Eq. 4) in place of WST.
_base_ = './deeplabv2_lite0_12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(rule='plain')))
