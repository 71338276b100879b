# Twelve noisy labels, plain for the first half of the training and WST for the second: a network
# that starts from nothing has no prediction to select seeds by.
_base_ = './noise0.3_12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(warmup=0.5)))
