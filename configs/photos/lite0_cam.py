# The first CAM classifier of the photos, and six of the twelve seeds.
_base_ = [
    '../_base_/models/cam_lite0.py',
    '../_base_/datasets/cam_photos.py',
    '../_base_/schedules/cam_photos.py',
    '../_base_/cam_runtime.py',
    '../_base_/cam_seeds.py',
]

model = dict(head=dict(num_classes=6), data_preprocessor=dict(num_classes=6))
default_hooks = dict(logger=dict(interval=10))
# VOC's numbers of the classes, as in its masks.
seeds = dict(prefix='lite0', labels=(8, 10, 12, 13, 15, 17))
