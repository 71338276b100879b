"""Shared by all tests: mmws is imported before any host, as every tool does."""

import os

# One thread a process: the suite runs on small machines, and small tensors gain nothing from more.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import contextlib
import copy
import gc
import importlib.util
import io
import json
import logging
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch
from mmengine.config import Config, config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, loops
from mmengine.utils import ManagerMixin
from PIL import Image
from yapf.yapflib import yapf_api

import mmws  # noqa: F401
from mmws.files.atomic_write import write_atomically
from mmws.files.label_map import encode_label_map

_REPOSITORY = Path(__file__).resolve().parents[1]


# mmengine writes its config down six times a training, each time formatted: two thirds of the time
# of a test that trains.
config.FormatCode = yapf_api.FormatCode = lambda text, **_: (text, True)
# Where a training by steps begins its data anew, mmengine waits for two seconds.
loops.time = SimpleNamespace(**{**vars(time), 'sleep': lambda seconds: None})


def pytest_collection_finish() -> None:
    """Keep what is imported out of garbage collections: mmengine makes one for each dataset."""
    gc.freeze()


def _reset_globals() -> None:
    """Forget default scopes, message hubs, loggers and visualizers; fix random numbers."""
    classes = [ManagerMixin]
    for cls in classes:
        classes += cls.__subclasses__()
        for instance in cls._instance_dict.values():
            if isinstance(instance, logging.Logger):
                for handler in instance.handlers:
                    handler.close()
        cls._instance_dict.clear()
    torch.set_num_threads(1)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def isolated():
    """Start and end every test with the same global state, so that no order matters."""
    environment, folder = dict(os.environ), os.getcwd()
    _reset_globals()
    yield
    _reset_globals()  # also for the fixtures of the next test that live longer than a test
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)


def _start_tool(name, arguments, cwd):
    command = [sys.executable, str(_REPOSITORY / 'tools' / name), *arguments]
    environment = dict(os.environ, PYTHONPATH=str(_REPOSITORY))
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return subprocess.Popen(command, cwd=cwd, env=environment, **silent)


@pytest.fixture(scope='session')
def tool():
    """Run ``tools/<name>`` in this process, in the folder ``cwd``, as if its user had.

    The result has ``returncode``, ``stdout`` and ``stderr``, with the traceback of an error. With
    ``wait=False`` it is a process of its own, to be killed.
    """
    modules = {}

    def run(name, *arguments, cwd, wait=True):
        arguments = [str(argument) for argument in arguments]
        if not wait:
            return _start_tool(name, arguments, cwd)
        if name not in modules:
            path = _REPOSITORY / 'tools' / name
            spec = importlib.util.spec_from_file_location(f'tool_{path.stem}', path)
            modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(modules[name])
        before, code = os.getcwd(), None
        _reset_globals()
        os.chdir(cwd)
        try:
            with (
                mock.patch.dict(os.environ),
                contextlib.redirect_stdout(io.StringIO()) as stdout,
                contextlib.redirect_stderr(io.StringIO()) as stderr,
            ):
                try:
                    code = modules[name].main(arguments)
                except SystemExit as stop:
                    code = stop.code
                except Exception:
                    traceback.print_exc()
                    code = 1
                if isinstance(code, str):  # as the interpreter does
                    print(code, file=sys.stderr)
                    code = 1
        finally:
            os.chdir(before)
            _reset_globals()
        return SimpleNamespace(
            returncode=code or 0, stdout=stdout.getvalue(), stderr=stderr.getvalue()
        )

    return run


@pytest.fixture(scope='session')
def python():
    """Run Python in the folder ``cwd``, or several processes of it; give what they print."""

    def run(*arguments, cwd, processes=0):
        launcher = ['-m', 'torch.distributed.run', '--standalone', '--local-addr=localhost']
        launcher += [f'--nproc_per_node={processes}']
        done = subprocess.run(
            [sys.executable, *launcher[: 5 if processes else 0], *map(str, arguments)],
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=900,
            env=dict(os.environ, PYTHONPATH=str(_REPOSITORY), CUDA_VISIBLE_DEVICES=''),
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.fixture
def save(tmp_path):
    """Write a label map (H, W) below ``tmp_path``; give its path."""

    def write(labels, name):
        path = tmp_path / name
        write_atomically(path, encode_label_map(np.asarray(labels, np.uint8)))
        return str(path)

    return write


class VOCTree:
    """A folder in VOC's layout: small images of one coloured square each, XML, and K noisy seeds.

    Attributes:
        root: What ``data_root`` is to be.
        seed_root: The parent of the seed folders.
        seed_names: The K seed folders.
    """

    colours = np.zeros((256, 3))
    colours[:4] = (40, 40, 40), (220, 60, 40), (40, 200, 60), (60, 80, 230)

    names = {1: 'aeroplane', 2: 'bicycle', 3: 'bird'}

    def __init__(self, root: Path, seed_names: Sequence[str] = ('seed0', 'seed1', 'seed2')):
        self.root = root
        self.seed_root = root / 'seeds'
        self.seed_names = list(seed_names)
        rng = np.random.default_rng(0)
        splits = dict(train_aug=4, val=3, test=2)
        self.ids = {
            split: [f'2007_{split}_{i}' for i in range(count)] for split, count in splits.items()
        }
        folders = ('JPEGImages', 'Annotations', 'SegmentationClassAug', 'ImageSets/Segmentation')
        for folder in folders:
            (root / folder).mkdir(parents=True)
        for split, ids in self.ids.items():
            (root / f'ImageSets/Segmentation/{split}.txt').write_text('\n'.join(ids) + '\n')
            for i, image_id in enumerate(ids):
                label = self._label(rng, 1 + i % 3)
                self._save_image(rng, image_id, label)
                if split == 'test':  # the server keeps the ground truth
                    continue
                self._save_label(root / 'SegmentationClassAug', image_id, label)
                objects = f'<object><name>{self.names[1 + i % 3]}</name></object>'
                xml = f'<annotation>{objects}</annotation>'
                (root / f'Annotations/{image_id}.xml').write_text(xml)
                for name in self.seed_names if split == 'train_aug' else ():
                    noise = rng.random(label.shape) < 0.2
                    self._save_label(self.seed_root / name, image_id, np.where(noise, 0, label))

    @staticmethod
    def _label(rng: np.random.Generator, class_id: int) -> np.ndarray:
        height, width = rng.integers(40, 60, 2)
        label = np.zeros((height, width), np.uint8)
        top, left = rng.integers(4, 15, 2)
        label[top : top + 22, left : left + 22] = class_id
        label[:2] = 255
        return label

    def _save_image(self, rng: np.random.Generator, image_id: str, label: np.ndarray) -> None:
        image = self.colours[label] + rng.normal(0, 8, (*label.shape, 3))
        image = Image.fromarray(image.clip(0, 255).astype(np.uint8))
        image.save(self.root / 'JPEGImages' / f'{image_id}.jpg', quality=95)

    @staticmethod
    def _save_label(folder: Path, image_id: str, label: np.ndarray) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(label.astype(np.uint8)).save(folder / f'{image_id}.png')


def tiny_config(tree: VOCTree) -> Config:
    """The paper's config with a net of a few thousand weights: two epochs."""
    cfg = Config.fromfile(_REPOSITORY / 'configs/msws/deeplabv2_vgg16_12seeds.py')
    seeds = cfg.train_dataloader.dataset
    seeds.update(seed_root=str(tree.seed_root), seed_dirs=tree.seed_names)
    seeds.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomCrop', crop_size=(32, 32)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    for loader, dataset in (
        (cfg.train_dataloader, seeds.dataset),
        (cfg.val_dataloader, cfg.val_dataloader.dataset),
        (cfg.test_dataloader, cfg.test_dataloader.dataset),
    ):
        loader.update(num_workers=0, persistent_workers=False)
        dataset.data_root = str(tree.root)
    cfg.train_dataloader.batch_size = 2
    cfg.val_evaluator = cfg.test_evaluator = dict(type='IoUMetric')
    cfg.train_cfg.update(max_epochs=2, val_interval=1)
    cfg.param_scheduler[0].end = 3
    cfg.default_hooks.logger.interval = 1
    cfg.optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.02, momentum=0.9))
    cfg.model = dict(
        type='mmws.MultiSeedSegmentor',
        base='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor',
            mean=[128.0] * 3,
            std=[64.0] * 3,
            bgr_to_rgb=True,
            pad_val=0,
            seg_pad_val=255,
            size=(32, 32),
            test_cfg=dict(size_divisor=1),
        ),
        backbone=dict(
            type='ResNetV1c',
            depth=18,
            base_channels=4,
            strides=(1, 1, 1, 1),
            norm_cfg=dict(type='BN'),
        ),
        decode_head=dict(
            type='FCNHead',
            in_channels=32,
            in_index=3,
            channels=8,
            num_convs=1,
            dropout_ratio=0.0,
            num_classes=21,
            norm_cfg=dict(type='BN'),
            loss_decode=dict(type='CrossEntropyLoss'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    return cfg


@pytest.fixture(scope='session')
def voc_tree(tmp_path_factory) -> VOCTree:
    """A small VOC folder with three seeds; read it, do not write to it."""
    return VOCTree(tmp_path_factory.mktemp('voc') / 'VOC2012')


@pytest.fixture(scope='session')
def make_voc_tree():
    """Make such a folder, at a root and with seeds of given names."""
    return VOCTree


@pytest.fixture
def tiny_cfg(voc_tree) -> Config:
    """A config that trains on ``voc_tree`` in a second."""
    return tiny_config(voc_tree)


@pytest.fixture
def step_cfg(tiny_cfg, tmp_path) -> Config:
    """The same for four steps instead of epochs, of which every one is logged."""
    tiny_cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=100)
    tiny_cfg.param_scheduler = []
    tiny_cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=4)
    tiny_cfg.default_hooks.logger = dict(type='LoggerHook', log_metric_by_epoch=False, interval=1)
    tiny_cfg.log_processor = dict(by_epoch=False)
    tiny_cfg.visualizer = dict(
        type='SegLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')]
    )
    tiny_cfg.randomness = dict(seed=0)
    return tiny_cfg


@pytest.fixture
def train(tmp_path):
    """Train with a config and hooks, in the folder ``name``; give the records of the log."""

    def run(cfg: Config, name: str, hooks: list[dict]) -> list[dict]:
        cfg = copy.deepcopy(cfg)
        cfg.custom_hooks = hooks
        cfg.work_dir = str(tmp_path / name)
        cfg.experiment_name = cfg.visualizer.name = f'{tmp_path.name}_{name}'
        Runner.from_cfg(cfg).train()
        (log,) = (tmp_path / name).glob('*/vis_data/scalars.json')
        return list(map(json.loads, log.read_text().splitlines()))

    return run


@pytest.fixture(scope='session')
def tiny_checkpoint(tiny_config_file, tmp_path_factory) -> Path:
    """Random weights of the config of ``tiny_config_file``."""
    from mmseg.registry import MODELS  # a host, imported after mmws

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(tiny_config_file).model)
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), path)
    return path


@pytest.fixture(scope='session')
def tiny_config_file(voc_tree, tmp_path_factory) -> Path:
    """The same config as a file, for the tools."""
    path = tmp_path_factory.mktemp('configs') / 'tiny.py'
    tiny_config(voc_tree).dump(path)
    return path
