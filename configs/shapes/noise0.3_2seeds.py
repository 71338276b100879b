# Two noisy labels, their plain average: the paper's pilot experiment (Table 1).
_base_ = './noise0.3_12seeds_plain.py'

train_dataloader = dict(dataset=dict(seed_dirs=['noise0.3_00', 'noise0.3_01']))
