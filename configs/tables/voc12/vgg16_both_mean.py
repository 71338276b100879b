# Two seeds: threshold and CRF of VGG16, the mean of three scales' CAMs.
_base_ = './12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_threshold_mean', 'vgg16_crf_mean']))
