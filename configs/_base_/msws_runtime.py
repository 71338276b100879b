# Runtime of stage two: segmentation from K seeds, on mmseg.
custom_imports = dict(imports=['mmws'], allow_failed_imports=False)
default_scope = 'mmseg'

env_cfg = dict(cudnn_benchmark=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
# The paper's differences are tenths of a point: repeat runs with other seeds.
randomness = dict(seed=0)

# tools/test.py --tta
tta_model = dict(type='MultiScaleFusionTTA')

# A checkpoint of another model, and class counts that contradict the data, stop the run before its
# first iteration. tools/train.py and tools/test.py add these checks to any config.
custom_hooks = [
    dict(type='CheckpointCheckHook'),
    dict(type='NumClassesCheckHook'),
    # report.html in the work dir: curves, IoU of each class, predictions, config and versions.
    dict(type='RunReportHook'),
]
