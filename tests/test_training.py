"""Whole trainings of a small network: repeated with the same random numbers, and compiled."""

import copy

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version


@pytest.fixture
def losses(step_cfg, train):
    """Trains with random transforms; options as ``--cfg-options`` has them. Gives four losses."""

    def run(name: str, seed: int, **options) -> list[float]:
        cfg = copy.deepcopy(step_cfg)
        cfg.randomness = dict(seed=seed)
        cfg.merge_from_dict(options)
        found = [record['loss'] for record in train(cfg, name, []) if 'loss' in record]
        assert len(set(found)) == 4
        return found

    return run


def test_the_same_seed_gives_the_same_losses(losses):
    first, second, other = (losses(*run) for run in (('first', 3), ('second', 3), ('other', 4)))
    # Sums on a GPU may come in any order.
    rtol = 1e-3 if torch.cuda.is_available() else 0.0
    np.testing.assert_allclose(first, second, rtol=rtol)
    assert other != first


@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 3),
    reason='older torch cannot trace the context variable of the seeds',
)
def test_torch_compile(losses, tmp_path):
    """Traced by dynamo without a compiler: whether the code can be compiled, not how fast it is."""
    plain = losses('plain', 0)
    compiled = losses('compiled', 0, compile=dict(backend='aot_eager'))
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    expected, found = (
        torch.load(tmp_path / name / 'iter_4.pth', weights_only=False)['state_dict']
        for name in ('plain', 'compiled')
    )
    for name, weight in found.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-5, msg=name)
