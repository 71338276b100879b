# One noisy label.
_base_ = './noise0.3_12seeds_plain.py'

train_dataloader = dict(dataset=dict(seed_dirs=['noise0.3_00']))
