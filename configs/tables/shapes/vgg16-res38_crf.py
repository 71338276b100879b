# Two seeds: CRF of VGG16 and ResNet38, one scale.
_base_ = './12seeds.py'

train_dataloader = dict(dataset=dict(seed_dirs=['vgg16_crf_x1.0', 'res38_crf_x1.0']))
