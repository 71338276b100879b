# One seed: CRF of ResNet38, one scale.
_base_ = './r101_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['res38_crf_x1.0']))
