# One noisy label at ratio 0.1.
_base_ = './noise0.3_12labels_plain.py'

train_dataloader = dict(dataset=dict(seed_dirs=['noise0.1_00']))
