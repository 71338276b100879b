# One seed: threshold of VGG16, the maximum of three scales' CAMs.
_base_ = './12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_threshold_max']))
