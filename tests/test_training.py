"""Whole trainings of a small network: repeated with the same random numbers, and compiled."""

import copy
import itertools

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils import digit_version


class Steps(Hook):
    """Notes the loss and the images of every step."""

    def __init__(self):
        self.losses = []
        self.images = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(float(outputs['loss'].detach()))
        self.images.append([sample.img_path for sample in data_batch['data_samples']])


@pytest.fixture
def train(tiny_cfg, tmp_path):
    """Trains for four steps with random transforms; options as ``--cfg-options`` has them."""
    count = itertools.count()

    def run(seed: int, **options) -> tuple[Steps, dict[str, torch.Tensor]]:
        cfg = copy.deepcopy(tiny_cfg)
        cfg.experiment_name = f'{tmp_path.name}_{next(count)}'
        cfg.work_dir = str(tmp_path)
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
        cfg.randomness = dict(seed=seed)
        cfg.merge_from_dict(options)
        runner, steps = Runner.from_cfg(cfg), Steps()
        runner.register_hook(steps)
        runner.train()
        assert len(set(steps.losses)) == 4
        return steps, dict(runner.model.named_parameters())

    return run


def test_the_same_seed_gives_the_same_losses(train):
    first, second, other = (train(seed)[0] for seed in (3, 3, 4))
    assert first.images == second.images
    # Sums on a GPU may come in any order.
    rtol = 1e-3 if torch.cuda.is_available() else 0.0
    np.testing.assert_allclose(first.losses, second.losses, rtol=rtol)
    assert other.images != first.images and other.losses != first.losses


@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 3),
    reason='older torch cannot trace the context variable of the seeds',
)
def test_torch_compile(train):
    """Traced by dynamo without a compiler: whether the code can be compiled, not how fast it is."""
    plain, expected = train(0)
    compiled, weights = train(0, compile=dict(backend='aot_eager'))
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-4)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-5, msg=name)
