import importlib.metadata
import os
import pickle
import sys
from collections import OrderedDict

import mmcv
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.runner import Runner
from mmengine.utils import digit_version
from torch import nn

from mmws import compat

safe_loader = pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 6), reason='torch < 2.6 has no safe default'
)


def _round_trip(content, path):
    torch.save(content, path)
    return torch.load(path)


@safe_loader
def test_checkpoint_of_a_runner_loads_with_the_safe_loader(tiny_cfg, tmp_path):
    tiny_cfg.work_dir = str(tmp_path)
    tiny_cfg.default_hooks.checkpoint.save_best = 'mIoU'
    tiny_cfg.param_scheduler = [
        dict(type='LinearLR', start_factor=0.1, end=1, by_epoch=False),
        dict(type='OneCycleLR', eta_max=0.1, total_steps=10),
    ]
    tiny_cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=1e-3)
    tiny_cfg.custom_hooks = [dict(type='EMAHook')]
    Runner.from_cfg(tiny_cfg).train()

    checkpoint = torch.load(tmp_path / 'epoch_2.pth')
    assert len(checkpoint['optimizer']['state']) > 0
    assert 'ema_state_dict' in checkpoint
    losses = checkpoint['message_hub']['log_scalars']['train/loss']
    assert isinstance(losses, HistoryBuffer)
    assert len(losses.data[0]) == 4
    assert losses.statistics('mean') == pytest.approx(losses.data[0].mean(), rel=1e-6)
    assert checkpoint['message_hub']['runtime_info']['best_score'] >= 0

    resumed = tiny_cfg.copy()
    resumed.train_cfg.max_epochs, resumed.resume = 3, True
    resumed.experiment_name = 'resumed'
    runner = Runner.from_cfg(resumed)
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 6)


@safe_loader
@pytest.mark.parametrize(
    'scheduler',
    [
        dict(type='PolyLR'),
        dict(type='MultiStepLR', milestones=[2, 4]),
        dict(type='CosineAnnealingLR', T_max=5),
        dict(type='CosineRestartLR', periods=[2, 3], restart_weights=[1, 0.5], eta_min=0),
        dict(type='OneCycleLR', eta_max=0.1, total_steps=10),
        dict(type='OneCycleLR', eta_max=0.1, total_steps=10, anneal_strategy='linear'),
        dict(type='ReduceOnPlateauLR', monitor='loss'),
    ],
    ids=lambda cfg: cfg['type'],
)
def test_schedulers_load_with_the_safe_loader(scheduler, tmp_path):
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    state = PARAM_SCHEDULERS.build({**scheduler, 'optimizer': optimizer}).state_dict()
    loaded = _round_trip(state, tmp_path / 'scheduler.pth')
    assert loaded.keys() == state.keys()
    assert loaded.get('anneal_func') is state.get('anneal_func')


@safe_loader
@pytest.mark.parametrize('dtype', ['f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'u8', 'b1'])
def test_numpy_scalars_and_arrays_load(dtype, tmp_path):
    array = np.array([0, 1, 1], dtype)
    loaded = _round_trip(dict(scalar=array[1], array=array), tmp_path / 'numpy.pth')
    assert loaded['scalar'] == 1 and loaded['scalar'].dtype == array.dtype
    np.testing.assert_array_equal(loaded['array'], array)


@safe_loader
def test_message_hub_loads(tmp_path):
    hub = MessageHub.get_instance('test_message_hub_loads')
    hub.update_scalar('train/loss', 2.0)
    hub.update_info('best_score', np.float32(3))
    hub.update_info('text', 'x')
    loaded = _round_trip(hub.state_dict(), tmp_path / 'hub.pth')
    assert loaded['log_scalars']['train/loss'].current() == 2.0
    assert loaded['runtime_info'] == dict(best_score=3.0, text='x')


class _Call:
    """Pickles as a call, as a malicious checkpoint does."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def __call__(self):
        raise AssertionError('only pickle looks at this')


@safe_loader
@pytest.mark.parametrize(
    'call',
    [
        _Call(getattr, HistoryBuffer, '__init__'),
        _Call(getattr, HistoryBuffer, '_set_default_statistics'),
        _Call(getattr, HistoryBuffer, 'no_such_method'),
        _Call(getattr, OrderedDict, 'fromkeys'),
        _Call(getattr, np.ndarray, 'tofile'),
        _Call(getattr, 'text', 'format'),
        _Call(getattr, _Call(getattr, HistoryBuffer, 'mean'), '__globals__'),
        _Call(getattr, 'text', 'missing', 'default'),
    ],
    ids=lambda call: str(call.call[1]),
)
def test_getattr_reaches_nothing_but_statistics(call, tmp_path):
    torch.save(call, tmp_path / 'evil.pth')
    with pytest.raises((pickle.UnpicklingError, TypeError)):
        torch.load(tmp_path / 'evil.pth')


@safe_loader
def test_refusal_says_what_was_asked(tmp_path):
    torch.save(_Call(getattr, HistoryBuffer, '__class__'), tmp_path / 'evil.pth')
    with pytest.raises(
        pickle.UnpicklingError, match=r"asks for getattr\(.*HistoryBuffer.*'__class__'\).*refused"
    ):
        torch.load(tmp_path / 'evil.pth')


@safe_loader
def test_code_in_a_checkpoint_does_not_run(tmp_path):
    marker = tmp_path / 'ran'
    for call in (
        _Call(os.mkdir, str(marker)),
        _Call(_Call(getattr, HistoryBuffer, 'register_statistics'), os.mkdir),
    ):
        torch.save(call, tmp_path / 'evil.pth')
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / 'evil.pth')
    assert not marker.exists()
    assert 'mkdir' not in HistoryBuffer._statistics_methods


def _is_lite():
    return any(
        (d.metadata['Name'] or '').lower().replace('_', '-') == 'mmcv-lite'
        for d in importlib.metadata.distributions()
    )


@pytest.mark.skipif(not _is_lite(), reason='the full mmcv has the compiled ops')
def test_compiled_op_says_what_to_install():
    from mmcv.ops import RoIAlign

    with pytest.raises(RuntimeError, match=r'mmcv.ops.roi_align_forward .* full mmcv'):
        RoIAlign(2)(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))


def test_real_compiled_ops_are_left_alone(monkeypatch):
    real = object()
    monkeypatch.setitem(sys.modules, 'mmcv._ext', real)
    compat._stub_mmcv_ext()
    assert sys.modules['mmcv._ext'] is real


@pytest.mark.parametrize('version', ['1.7.1', '2.2.0'])
def test_host_outside_the_range_is_refused(monkeypatch, version):
    monkeypatch.setattr(mmcv, '__version__', version)
    with pytest.raises(ImportError, match=rf'mmws needs mmcv >=2.0, <2.2; found {version}'):
        compat._check_hosts()
