# WST in the second half of the training only.
_base_ = './12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(warmup=0.5)))
