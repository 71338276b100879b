import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from mmws import run_config
from mmws.engine import CheckpointCheckHook


def test_work_dir_command_line_then_config_then_name():
    cfg = Config(dict(work_dir='mine'))
    run_config.set_work_dir(cfg, None, 'configs/a/net.py')
    assert cfg.work_dir == 'mine'
    run_config.set_work_dir(cfg, 'asked', 'configs/a/net.py')
    assert cfg.work_dir == 'asked'
    cfg = Config()
    run_config.set_work_dir(cfg, None, 'configs/a/net.py')
    assert cfg.work_dir == str(Path('work_dirs/net'))


@pytest.mark.parametrize('scope, more', [('mmseg', ['mmengine.RunReportHook']), ('mmpretrain', [])])
def test_checks_and_a_report_are_added_once_and_buildable(scope, more):
    cfg = Config(dict(default_scope=scope, custom_hooks=[dict(type='EMAHook')]))
    run_config.add_checks(cfg)
    run_config.add_checks(cfg)
    names = ['EMAHook', 'mmengine.CheckpointCheckHook', 'mmengine.NumClassesCheckHook', *more]
    assert [hook.type for hook in cfg.custom_hooks] == names
    assert all(isinstance(HOOKS.build(hook), Hook) for hook in cfg.custom_hooks)


@pytest.mark.parametrize(
    'kind', ['CheckpointCheckHook', 'mmws.engine.CheckpointCheckHook', CheckpointCheckHook]
)
def test_hook_of_the_config_is_kept(kind):
    cfg = Config(dict(custom_hooks=[dict(type=kind, allow_partial=True)]))
    run_config.add_checks(cfg)
    assert len(cfg.custom_hooks) == 2
    assert cfg.custom_hooks[0].allow_partial is True
    run_config.add_checks(cfg, allow_partial=False)
    assert cfg.custom_hooks[0].allow_partial is False


def test_amp():
    cfg = Config(dict(optim_wrapper=dict(optimizer=dict(type='SGD'))))
    run_config.enable_amp(cfg)
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper'
    assert cfg.optim_wrapper.loss_scale == 'dynamic'
    cfg.optim_wrapper.loss_scale = 512.0
    run_config.enable_amp(cfg)
    assert cfg.optim_wrapper.loss_scale == 512.0
    with pytest.raises(ValueError, match='this config has ApexOptimWrapper'):
        run_config.enable_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))


def test_resume(tmp_path):
    cfg = Config(dict(work_dir=str(tmp_path / 'new'), load_from='start.pth'))
    run_config.set_resume(cfg, None)
    assert 'resume' not in cfg
    # Nothing to resume from: the first start, which needs its initial weights.
    run_config.set_resume(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (False, 'start.pth')
    # mmengine prefers load_from to the newest checkpoint, and would start again.
    (tmp_path / 'new').mkdir()
    newest = tmp_path / 'new/newest.pth'
    newest.touch()
    (tmp_path / 'new/last_checkpoint').write_text(str(newest))
    run_config.set_resume(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (True, str(newest))
    run_config.set_resume(cfg, 'other.pth')
    assert (cfg.resume, cfg.load_from) == (True, 'other.pth')


def test_a_kill_while_saving_costs_no_more_than_the_checkpoint_at_hand(tmp_path):
    for epoch in (9, 10):
        torch.save(dict(state_dict={}), tmp_path / f'epoch_{epoch}.pth')
    half = (tmp_path / 'epoch_10.pth').read_bytes()[:-40]
    (tmp_path / 'epoch_11.pth').write_bytes(half)
    torch.save({}, tmp_path / 'best_mIoU_epoch_12.pth')
    cfg = Config(dict(work_dir=str(tmp_path)))
    for named in ('epoch_8.pth', None):  # removed already; never written
        if named is None:
            (tmp_path / 'last_checkpoint').unlink()
        else:
            (tmp_path / 'last_checkpoint').write_text(str(tmp_path / named))
        run_config.set_resume(cfg, 'auto')
        assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'epoch_10.pth'))
        assert run_config.checkpoint_file(tmp_path) == cfg.load_from


def test_a_shapes_training_never_has_no_checkpoint_at_all():
    path = Path(__file__).resolve().parents[1] / 'configs/_base_/schedules/shapes_4e.py'
    assert Config.fromfile(path).default_hooks.checkpoint.max_keep_ckpts >= 2


def test_limit_reaches_wrapped_datasets():
    leaf = dict(type='PascalVOCDataset')
    cfg = Config(
        dict(
            a=dict(dataset=leaf),
            b=dict(dataset=dict(type='RepeatDataset', dataset=dict(type='M', dataset=leaf))),
            c=dict(dataset=dict(type='ConcatDataset', datasets=[leaf, leaf])),
            d=None,
        )
    )
    for loader in 'abcd':
        run_config.limit_dataset(cfg, loader, 3)
    assert cfg.a.dataset.indices == 3
    assert cfg.b.dataset.dataset.dataset.indices == 3
    assert [dataset.indices for dataset in cfg.c.dataset.datasets] == [3, 3]


def test_a_work_dir_stands_for_its_newest_checkpoint(tmp_path):
    assert run_config.checkpoint_file('some/file.pth') == 'some/file.pth'
    with pytest.raises(FileNotFoundError, match='holds no checkpoint'):
        run_config.checkpoint_file(tmp_path)


def test_batches_over_the_end_of_the_images_are_left_alone():
    images = list(range(6))
    for options in (dict(batch_size=6), dict(batch_size=8, sampler=InfiniteSampler(images))):
        loader = torch.utils.data.DataLoader(images, drop_last=True, **options)
        runner = SimpleNamespace(train_loop=SimpleNamespace(dataloader=loader), val_loop=None)
        run_config.check_training_data(runner)


@pytest.mark.parametrize('folder', ['SegmentationClassAug', 'nowhere'])
def test_missing_masks_of_the_validation_stop_a_training_before_its_first_step(
    tiny_cfg, voc_tree, tmp_path, folder
):
    masks = tmp_path / 'SegmentationClassAug'
    shutil.copytree(voc_tree.root / masks.name, masks)
    (masks / f'{voc_tree.ids["val"][1]}.png').unlink()
    tiny_cfg.val_dataloader.dataset.data_prefix.seg_map_path = str(tmp_path / folder)
    tiny_cfg.work_dir = str(tmp_path / 'run')
    runner = Runner.from_cfg(tiny_cfg)
    missing = 1 if folder == masks.name else len(voc_tree.ids['val'])
    with pytest.raises(FileNotFoundError, match=f'{missing} of the 3 label maps of val_dataloader'):
        run_config.train(runner)
    assert runner.iter == 0 and not list(Path(tiny_cfg.work_dir).glob('*.pth'))
