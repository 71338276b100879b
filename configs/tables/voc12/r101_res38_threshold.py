# One seed: threshold of ResNet38, one scale.
_base_ = './r101_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['res38_threshold_x1.0']))
