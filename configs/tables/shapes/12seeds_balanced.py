# The prediction that selects the seeds is balanced by class.
_base_ = './12seeds.py'

model = dict(decode_head=dict(loss_decode=dict(balance=1.0)))
