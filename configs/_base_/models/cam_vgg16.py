# The author's VGG16 CAM net: 20,504,404 parameters, output stride 8.
pretrained = dict(type='PretrainedVGG16', checkpoint='torchvision://vgg16', images='imagenet')
model = dict(
    type='ImageClassifier',
    backbone=dict(type='VGG16LargeFOV', init_cfg=pretrained),
    head=dict(type='VGG16CAMHead', num_classes=20, init_cfg=pretrained),
    # The weight file decides: torchvision's VGG16 was trained on images normalised so.
    data_preprocessor=dict(
        num_classes=20, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
)
