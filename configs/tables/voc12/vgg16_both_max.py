# Two seeds: threshold and CRF of VGG16, the maximum of three scales' CAMs.
_base_ = './12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_threshold_max', 'vgg16_crf_max']))
