# One seed: threshold of VGG16, one scale.
_base_ = './r101_12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_threshold_x1.0']))
