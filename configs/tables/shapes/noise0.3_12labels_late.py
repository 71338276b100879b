# WST in the second half of the training only.
_base_ = './noise0.3_12labels.py'

model = dict(decode_head=dict(loss_decode=dict(warmup=0.5)))
