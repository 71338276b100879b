# Dilated Wide ResNet-38 with PSA's head, output stride 8.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet38',
        init_cfg=dict(
            type='PretrainedResNet38',
            # Or PSA's .pth of the same weights.
            checkpoint='data/pretrained/ilsvrc-cls_rna-a1_cls1000_ep-0001.params',
        ),
    ),
    head=dict(type='LinearCAMHead', in_channels=4096, num_classes=20, dropout=0.5),
    data_preprocessor=dict(
        num_classes=20, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
    ),
)
