"""A whole training of a small network, compiled."""

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version


@pytest.mark.slow
@pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 3),
    reason='older torch cannot trace the context variable of the seeds',
)
def test_torch_compile(step_cfg, train, tmp_path):
    """Traced by dynamo without a compiler: whether the code can be compiled, not how fast it is."""
    plain = [record['loss'] for record in train(step_cfg, 'plain', []) if 'loss' in record]
    step_cfg.compile = dict(backend='aot_eager')
    compiled = [record['loss'] for record in train(step_cfg, 'compiled', []) if 'loss' in record]
    assert len(set(plain)) == 4
    np.testing.assert_allclose(compiled, plain, rtol=1e-4)
    expected, found = (
        torch.load(tmp_path / name / 'iter_4.pth', weights_only=False)['state_dict']
        for name in ('plain', 'compiled')
    )
    for name, weight in found.items():
        torch.testing.assert_close(weight, expected[name], rtol=1e-3, atol=1e-5, msg=name)
