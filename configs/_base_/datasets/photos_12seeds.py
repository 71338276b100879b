# The photos with the twelve seeds of the two CAM classifiers (lite0_cam.py and lite2_cam.py).
_base_ = './photos.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmws.MultiSeedDataset',
        dataset={{_base_.train_dataloader.dataset}},
        seed_root='data/photo_seeds',
        seed_dirs=[
            'lite0_threshold_x1.0',
            'lite0_threshold_x0.75',
            'lite0_threshold_x0.5',
            'lite0_crf_x1.0',
            'lite0_crf_x0.75',
            'lite0_crf_x0.5',
            'lite2_threshold_x1.0',
            'lite2_threshold_x0.75',
            'lite2_threshold_x0.5',
            'lite2_crf_x1.0',
            'lite2_crf_x0.75',
            'lite2_crf_x0.5',
        ],
    ),
)
