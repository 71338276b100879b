# Runtime of stage one: the CAM classifiers, on mmpretrain.
custom_imports = dict(imports=['mmws.classification'], allow_failed_imports=False)
default_scope = 'mmpretrain'

default_hooks = dict(
    logger=dict(type='LoggerHook', interval=50),
    # The last epoch is the one that the seeds are made from; one more to go back to.
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
    visualization=dict(type='VisualizationHook', enable=False),
)
# Compares the head's num_classes with the dataset's classes before the first iteration.
custom_hooks = [dict(type='ClassNumCheckHook')]
visualizer = dict(type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
