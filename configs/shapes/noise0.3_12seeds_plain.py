# Twelve noisy labels, their plain average (Eq. 4).
_base_ = './noise0.3_12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(scale=0.0)))
