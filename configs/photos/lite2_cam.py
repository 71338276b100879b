# The second CAM classifier of the photos, and the other six seeds.
_base_ = './lite0_cam.py'

model = dict(backbone=dict(arch='lite2', frozen_blocks=15))
seeds = dict(prefix='lite2')
