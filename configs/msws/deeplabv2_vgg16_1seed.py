# Baseline: the best single seed of Table 2 alone, ordinary cross entropy.
_base_ = './deeplabv2_vgg16_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_crf_x1.0']))
