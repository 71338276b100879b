from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmseg.models import FCNHead, SegTTAModel, STDCHead
from torch import nn

from mmws import run_config


def _head(num_classes, **options):
    return FCNHead(
        in_channels=4,
        channels=4,
        num_convs=0,
        concat_input=False,
        num_classes=num_classes,
        **options,
    )


class _Net(nn.Module):
    def __init__(self, decode=3, auxiliary=(), **options):
        super().__init__()
        self.decode_head = _head(decode, **options)
        self.auxiliary_head = nn.ModuleList(_head(classes) for classes in auxiliary)

    def test_step(self, data):
        return data


def _runner(model, classes=('background', 'cat', 'dog')):
    dataset = SimpleNamespace(metainfo={} if classes is None else dict(classes=classes))
    loader = MagicMock(dataset=dataset, **{'__len__.return_value': 1})
    return SimpleNamespace(
        model=model,
        train_dataloader=loader,
        train_loop=SimpleNamespace(dataloader=loader),
        val_loop=None,
        val_dataloader=loader,
        test_dataloader=loader,
    )


@pytest.fixture
def hook():
    return HOOKS.build(dict(type='NumClassesCheckHook'))


@pytest.mark.parametrize('stage', ['train', 'val', 'test'])
def test_refuses_before_every_stage(hook, stage):
    getattr(hook, f'before_{stage}')(_runner(_Net(3, (3,))))
    with pytest.raises(
        ValueError,
        match=rf'model.decode_head \(FCNHead\) has num_classes=21, but the SimpleNamespace of '
        rf'{stage}_dataloader has 3 classes: background, cat, dog. Set num_classes',
    ):
        getattr(hook, f'before_{stage}')(_runner(_Net(21)))


def test_names_every_wrong_head(hook):
    with pytest.raises(ValueError, match=r'^model.auxiliary_head.1 .* has num_classes=4, but'):
        hook.before_train(_runner(_Net(3, (3, 4))))


def test_looks_into_test_time_augmentation(hook):
    hook.before_test(_runner(SegTTAModel(module=_Net(3))))
    with pytest.raises(ValueError, match='model.decode_head'):
        hook.before_test(_runner(SegTTAModel(module=_Net(4))))


def test_one_class_fits_a_binary_dataset_only(hook):
    model = _Net(2, out_channels=1, threshold=0.5)
    hook.before_train(_runner(model, ('background', 'object')))
    model.decode_head.num_classes = 1
    hook.before_train(_runner(model, ('background', 'object')))
    with pytest.raises(ValueError, match='num_classes=1'):
        hook.before_train(_runner(model))


def test_dataset_without_classes_is_left_alone(hook):
    hook.before_train(_runner(_Net(21), None))


def test_modules_that_are_no_heads_of_the_classes_do_not_count(hook):
    model = _Net(3)
    model.backbone = nn.Identity()
    model.backbone.num_classes = 1000
    model.edges = STDCHead(
        in_channels=4, channels=4, num_convs=1, num_classes=2, boundary_threshold=0.1
    )
    hook.before_train(_runner(model))


@pytest.mark.parametrize('tool', ['ours', 'mmseg'])
def test_fewer_images_than_a_batch_are_refused_whoever_starts_the_training(
    tool, tiny_cfg, tmp_path
):
    """mmseg's tools/train.py calls Runner.train, and knows of the hook by the config."""
    tiny_cfg.train_dataloader.update(batch_size=8, drop_last=True)
    tiny_cfg.work_dir = str(tmp_path)
    runner = Runner.from_cfg(tiny_cfg)
    with pytest.raises(ValueError, match=r'4 images, fewer than a batch .*batch_size=8.*--limit'):
        run_config.train(runner) if tool == 'ours' else runner.train()
