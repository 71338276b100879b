# Two noisy labels at ratio 0.3, their plain average: section 3 of the paper has no WST.
_base_ = './noise0.3_12labels_plain.py'

train_dataloader = dict(dataset=dict(seed_dirs=['noise0.3_00', 'noise0.3_01']))
