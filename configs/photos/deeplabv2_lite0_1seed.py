# Baseline: the best single seed alone, ordinary cross entropy.
_base_ = './deeplabv2_lite0_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['lite2_crf_x1.0']))
