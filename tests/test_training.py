"""What docs/scale.md says about precision, resuming and repeating, on a CPU."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils import digit_version

from mmws.datasets.shapes import make_scene
from mmws.files.label_map import encode_label_map
from mmws.seeds.noise import add_block_noise

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
IMAGES = 8
SEEDS = ('a', 'b', 'c')
# Sums on a GPU may come in any order.
RTOL = 1e-3 if torch.cuda.is_available() else 0.0

# The parts that a training is made of, as configs/shapes puts them together. Without
# normalisation: what a batch does to the weights must not depend on the batch before.
CONFIG = f"""
_base_ = [
    '{CONFIGS}/_base_/models/deeplabv2_vgg16-small.py',
    '{CONFIGS}/_base_/datasets/shapes.py',
    '{CONFIGS}/_base_/schedules/shapes_4e.py',
    '{CONFIGS}/_base_/msws_runtime.py',
]
model = dict(
    type='mmws.MultiSeedSegmentor',
    base={{{{_base_.model.type}}}},
    backbone=dict(init_cfg=None, batch_norm=False),
    decode_head=dict(init_cfg=None),
)
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='MultiSeedDataset',
        dataset={{{{_base_.train_dataloader.dataset}}}},
        seed_root='seeds',
        seed_dirs={list(SEEDS)},
    ),
)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
"""


class Steps(Hook):
    """Notes the loss of every step."""

    def __init__(self):
        self.losses = []
        self.images = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss'].detach()))
        self.images.append([sample.img_path for sample in data_batch['data_samples']])


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    """Eight scenes with three noisy labels each."""
    root = tmp_path_factory.mktemp('shapes')
    rng = np.random.default_rng(0)
    folders = {name: root / 'seeds' / name for name in SEEDS}
    for folder in (root / 'JPEGImages', root / 'ImageSets/Segmentation', *folders.values()):
        folder.mkdir(parents=True)
    ids = [f'im{i}' for i in range(IMAGES)]
    (root / 'ImageSets/Segmentation/train.txt').write_text('\n'.join(ids) + '\n')
    for image_id in ids:
        scene = make_scene(rng, 48)
        cv2.imwrite(str(root / f'JPEGImages/{image_id}.jpg'), scene.image[..., ::-1])
        for folder in folders.values():
            noisy = add_block_noise(scene.labels, 0.3, rng, size_range=(3, 8))
            (folder / f'{image_id}.png').write_bytes(encode_label_map(noisy))
    return root


@pytest.fixture
def config(shapes, tmp_path):
    """Makes a config of the small network; options as ``--cfg-options`` has them."""

    def make(**options) -> Config:
        path = tmp_path / 'small.py'
        path.write_text(CONFIG)
        cfg = Config.fromfile(path)
        dataset = cfg.train_dataloader.dataset
        dataset.seed_root = str(shapes / 'seeds')
        dataset.dataset.data_root = str(shapes)
        cfg.work_dir = str(tmp_path / 'run')
        cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1, save_last=False)
        cfg.param_scheduler = []
        cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.01))
        cfg.train_cfg = dict(by_epoch=True, max_epochs=2)
        cfg.merge_from_dict(options)
        return cfg

    return make


def train(cfg: Config, **work) -> tuple[Steps, Runner]:
    """Trains, with names for the runs of a test so that they do not share a log."""
    train.count = getattr(train, 'count', 0) + 1
    cfg.experiment_name = f'training_{train.count}'
    for key, value in work.items():
        setattr(cfg, key, value)
    runner = Runner.from_cfg(cfg)
    steps = Steps()
    runner.register_hook(steps)
    runner.train()
    return steps, runner


def weights(runner: Runner) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in runner.model.named_parameters()}


# No random transform and no shuffling: a step depends on its images only.
PLAIN = {
    'train_dataloader.sampler.shuffle': False,
    'train_dataloader.dataset.dataset.pipeline': [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ],
}


def test_the_same_seed_gives_the_same_losses(config):
    first, second = (train(config(**{'randomness.seed': 3}))[0] for _ in range(2))
    assert len(first.losses) == 4 and len(set(first.losses)) == 4
    assert first.images == second.images
    np.testing.assert_allclose(first.losses, second.losses, rtol=RTOL)
    other, _ = train(config(**{'randomness.seed': 4}))
    assert other.images != first.images and other.losses != first.losses


def test_bfloat16_on_a_cpu(config, monkeypatch):
    """mmengine offers it on GPUs only; the arithmetic is the same."""
    full, _ = train(config(**PLAIN))
    amp = {'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.dtype': 'bfloat16'}
    if not torch.cuda.is_available():
        with pytest.raises(AssertionError, match='only available training on gpu'):
            train(config(**PLAIN, **amp))
    monkeypatch.setattr(
        'mmengine.optim.optimizer.amp_optimizer_wrapper.is_cuda_available', lambda: True
    )
    dtypes = []

    def note(module, args, output):
        if isinstance(module, torch.nn.Conv2d):
            dtypes.append(output.dtype)

    hooked = torch.nn.modules.module.register_module_forward_hook(note)
    try:
        half, runner = train(config(**PLAIN, **amp))
    finally:
        hooked.remove()
    assert set(dtypes) == {torch.bfloat16}
    assert np.isfinite(half.losses).all() and half.losses != full.losses
    np.testing.assert_allclose(half.losses, full.losses, rtol=0.02)
    assert all(
        torch.isfinite(w).all() and w.dtype == torch.float32 for w in weights(runner).values()
    )


def checkpoints(**options) -> dict:
    return {f'default_hooks.checkpoint.{key}': value for key, value in options.items()}


SGD = {'optim_wrapper.optimizer.momentum': 0.9}


def test_resuming_in_an_iteration_loop_goes_on_where_it_stopped(config):
    """Random transforms too: the images that were seen are drawn again, and thrown away."""
    options = {**SGD, **checkpoints(by_epoch=False, interval=3)}
    options['train_dataloader.num_workers'] = 1
    options['train_dataloader.sampler.type'] = 'InfiniteSampler'
    loop = dict(type='IterBasedTrainLoop', max_iters=5)
    whole, runner = train(config(**options), train_cfg=loop)
    expected = weights(runner)
    file = f'{runner.work_dir}/iter_3.pth'
    rest, runner = train(config(**options), train_cfg=loop, resume=True, load_from=file)
    assert len(whole.losses) == 5 and rest.images == whole.images[3:]
    np.testing.assert_allclose(rest.losses, whole.losses[3:], rtol=RTOL)
    for name, weight in weights(runner).items():
        torch.testing.assert_close(weight, expected[name], rtol=RTOL, atol=RTOL, msg=name)


@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 3),
    reason='older torch cannot trace the function of the loss',
)
def test_torch_compile(config):
    """Traced by dynamo without a compiler: whether the code can be compiled, not how fast it is."""
    plain, runner = train(config(**PLAIN))
    expected = weights(runner)
    compiled, runner = train(config(**PLAIN), compile=dict(backend='aot_eager'))
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-4)
    for name, weight in weights(runner).items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-5, msg=name)
