# The small VGG16 CAM classifier, and six of the twelve seeds.
_base_ = [
    '../_base_/models/cam_vgg16-small.py',
    '../_base_/datasets/cam_shapes.py',
    '../_base_/schedules/cam_shapes.py',
    '../_base_/cam_runtime.py',
    '../_base_/cam_seeds.py',
]

seeds = dict(prefix='vgg16')
