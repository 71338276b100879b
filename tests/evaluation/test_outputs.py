import pytest
from mmengine.config import Config

from mmws.evaluation import outputs


def _config(**options):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Pack')]
    return Config(
        dict(
            model=dict(type='EncoderDecoder'),
            test_dataloader=dict(
                dataset=dict(
                    data_root='root', data_prefix=dict(img_path='images'), pipeline=pipeline
                )
            ),
            test_evaluator=dict(type='IoUMetric', iou_metrics=['mIoU']),
            **options,
        )
    )


def test_out_and_crf():
    cfg = _config()
    outputs.set_test_outputs(cfg)
    assert cfg.test_evaluator == dict(type='IoUMetric', iou_metrics=['mIoU'])
    outputs.set_test_outputs(cfg, out='there')
    dirs = dict(output_dir='there', image_dirs=['root/images'])
    assert cfg.test_evaluator == dict(type='mmseg.PaletteIoUMetric', iou_metrics=['mIoU'], **dirs)
    outputs.set_test_outputs(cfg, crf=True)
    outputs.set_test_outputs(cfg, out='there')
    assert cfg.test_evaluator == dict(type='mmseg.CRFIoUMetric', iou_metrics=['mIoU'], **dirs)


def test_folders_and_pipelines_inside_wrappers():
    cfg = _config(tta_model=dict(type='SegTTAModel'), tta_pipeline=[dict(type='TestTimeAug')])
    one = cfg.test_dataloader.dataset
    two = dict(one, data_prefix=dict(img_path='/else'))
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[one, dict(dataset=two)])
    outputs.set_test_outputs(cfg, out='there')
    assert cfg.test_evaluator.image_dirs == ['root/images', '/else']
    outputs.set_test_outputs(cfg, out='there', format_only=True)
    whole = cfg.test_dataloader.dataset
    parts = [whole.datasets[0], whole.datasets[1].dataset]
    for part in parts:
        assert [step.type for step in part.pipeline] == ['LoadImageFromFile', 'Pack']
    outputs.set_tta(cfg)
    assert 'pipeline' not in whole
    assert all(part.pipeline == cfg.tta_pipeline for part in parts)


def test_format_only_looks_into_test_time_augmentation():
    inner = [[dict(type='RandomFlip')], [dict(type='LoadAnnotations')], [dict(type='Pack')]]
    cfg = _config(
        tta_model=dict(type='SegTTAModel'),
        tta_pipeline=[dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=inner)],
    )
    outputs.set_tta(cfg)
    outputs.set_test_outputs(cfg, out='there', format_only=True)
    transforms = cfg.test_dataloader.dataset.pipeline[1].transforms
    assert [[step.type for step in steps] for steps in transforms] == [['RandomFlip'], ['Pack']]


def test_format_only_needs_a_folder_and_an_iou_metric():
    with pytest.raises(ValueError, match='needs --out DIR'):
        outputs.set_test_outputs(_config(), format_only=True)
    cfg = _config()
    cfg.test_evaluator = [dict(type='MultiLabelMetric')]
    with pytest.raises(ValueError, match='its test_evaluator has MultiLabelMetric'):
        outputs.set_test_outputs(cfg, crf=True)


def test_tta_wraps_the_model_and_gives_scores_where_they_are_needed():
    for scores, kind in ((False, 'SegTTAModel'), (True, 'mmseg.MultiScaleFusionTTA')):
        cfg = _config(tta_model=dict(type='SegTTAModel'), tta_pipeline=[dict(type='TestTimeAug')])
        outputs.set_tta(cfg, scores=scores)
        assert cfg.model.type == kind and cfg.model.module == dict(type='EncoderDecoder')
        assert cfg.test_dataloader.dataset.pipeline[0].type == 'TestTimeAug'
    assert (cfg.model.fuse, cfg.model.append_max) == ('probabilities', False)
    with pytest.raises(ValueError, match='needs tta_pipeline and tta_model in the config'):
        outputs.set_tta(_config())


def test_visualization_in_both_hosts_words():
    cfg = _config(
        default_hooks=dict(visualization=dict(type='SegVisualizationHook')),
        visualizer=dict(type='SegLocalVisualizer'),
    )
    outputs.set_visualization(cfg, show_dir='painted')
    hook = cfg.default_hooks.visualization
    assert (hook.draw, hook.interval, hook.image_dirs) == (True, 1, ['root/images'])
    assert hook.out_dir == cfg.visualizer.save_dir == 'painted'
    cfg = _config(default_hooks=dict(visualization=dict(type='VisualizationHook')))
    outputs.set_visualization(cfg, show_dir='painted')
    hook = cfg.default_hooks.visualization
    assert (hook.enable, hook.interval, hook.out_dir) == (True, 1, 'painted')
    with pytest.raises(ValueError, match='need a visualization hook'):
        outputs.set_visualization(_config(), show=True)


def test_submissions_that_are_not_whole(tmp_path):
    folder = outputs.submission_dir(tmp_path, 'comp6')
    assert folder == tmp_path / 'results/VOC2012/Segmentation/comp6_test_cls'
    folder.mkdir(parents=True)
    (folder / 'a.png').touch()
    with pytest.raises(ValueError, match='holds 1 predictions of 3 images'):
        outputs.pack_submission(folder, 3)
    with pytest.raises(FileExistsError, match='earlier run'):
        outputs.submission_dir(tmp_path, 'comp6')
