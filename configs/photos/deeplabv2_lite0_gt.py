# Baseline: the true masks, with the same network, start and schedule.
_base_ = './deeplabv2_lite0_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=None))
