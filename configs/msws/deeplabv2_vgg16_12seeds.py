# The paper's result on VGG16 (Table 6): twelve seeds with weighted selective training.
_base_ = [
    '../_base_/models/deeplabv2_vgg16_largefov.py',
    '../_base_/datasets/voc12aug_12seeds.py',
    '../_base_/schedules/msws_20e.py',
    '../_base_/msws_runtime.py',
]

model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{_base_.model.type}},
    data_preprocessor=dict(
        size={{_base_.crop_size}},
        # As the authors test. 8 n + 1 pixels put the n + 1 cells of the logits exactly 8 pixels
        # apart, as in training; larger images (--tta) are not padded.
        test_cfg=dict(size=(513, 513)),
    ),
)
