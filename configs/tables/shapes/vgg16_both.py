# Two seeds: threshold and CRF of VGG16, one scale.
_base_ = './12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_threshold_x1.0', 'vgg16_crf_x1.0']))
