_base_ = [
    '../_base_/models/cam_r50.py',
    '../_base_/datasets/cam_voc12aug.py',
    '../_base_/schedules/cam_20e.py',
    '../_base_/cam_runtime.py',
    '../_base_/cam_seeds.py',
]

seeds = dict(prefix='r50')
