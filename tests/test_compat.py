import importlib.metadata
import importlib.util
import os
import pickle
import pkgutil
import runpy
import sys
from collections import OrderedDict

import mmcv
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, Runner
from mmengine.utils import digit_version

from mmws import compat

safe_loader = pytest.mark.skipif(
    digit_version(torch.__version__)[:2] < (2, 6), reason='torch < 2.6 has no safe default'
)


@safe_loader
def test_checkpoint_of_a_runner_loads_with_the_safe_loader(tiny_cfg, tmp_path):
    tiny_cfg.work_dir = str(tmp_path)
    tiny_cfg.default_hooks.checkpoint.save_best = 'mIoU'
    tiny_cfg.param_scheduler = [dict(type='OneCycleLR', eta_max=0.1, total_steps=10)]
    tiny_cfg.optim_wrapper.optimizer = dict(type='AdamW', lr=1e-3)
    tiny_cfg.custom_hooks = [dict(type='EMAHook')]
    tiny_cfg.train_cfg.max_epochs = 1
    Runner.from_cfg(tiny_cfg).train()

    checkpoint = torch.load(tmp_path / 'epoch_1.pth')
    assert len(checkpoint['optimizer']['state']) > 0
    assert 'ema_state_dict' in checkpoint
    losses = checkpoint['message_hub']['log_scalars']['train/loss']
    assert isinstance(losses, HistoryBuffer)
    assert losses.statistics('mean') == pytest.approx(losses.data[0].mean(), rel=1e-6)
    assert checkpoint['message_hub']['runtime_info']['best_score'] >= 0


@safe_loader
@pytest.mark.parametrize('dtype', ['f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8', 'u1', 'u8', 'b1'])
def test_numpy_scalars_and_arrays_load(dtype, tmp_path):
    array = np.array([0, 1, 1], dtype)
    torch.save(dict(scalar=array[1], array=array), tmp_path / 'numpy.pth')
    loaded = torch.load(tmp_path / 'numpy.pth')
    assert loaded['scalar'] == 1 and loaded['scalar'].dtype == array.dtype
    np.testing.assert_array_equal(loaded['array'], array)


@safe_loader
def test_loading_by_mmengine_takes_no_permission_away(tmp_path):
    """OneDL's mmengine forgets after each file what it has allowed for it."""
    buffer = dict(losses=HistoryBuffer([1.0], [1]))
    for _ in range(2):
        torch.save(buffer, tmp_path / 'buffer.pth')
        CheckpointLoader.load_checkpoint(str(tmp_path / 'buffer.pth'), logger='silent')
        assert torch.load(tmp_path / 'buffer.pth', weights_only=True)['losses'].current() == 1


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
        _Call(_Call(getattr, HistoryBuffer, 'register_statistics'), os.mkdir),
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
    with pytest.raises((pickle.UnpicklingError, TypeError), match='refused|argument'):
        torch.load(tmp_path / 'evil.pth')


@pytest.mark.skipif(
    getattr(sys.modules.get('mmcv._ext'), '__file__', None) is not None,
    reason='this mmcv has the compiled ops',
)
def test_compiled_op_says_what_to_install():
    from mmcv.ops import RoIAlign

    with pytest.raises(RuntimeError, match=r'mmcv.ops.roi_align_forward .* full mmcv'):
        RoIAlign(2)(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))


def test_real_compiled_ops_are_left_alone(monkeypatch):
    real = object()
    monkeypatch.setitem(sys.modules, 'mmcv._ext', real)
    compat._stub_mmcv_ext()
    assert sys.modules['mmcv._ext'] is real


@pytest.mark.parametrize('version', ['1.7.1', '2.4.0'])
def test_host_outside_the_range_is_refused(monkeypatch, version):
    monkeypatch.setattr(mmcv, '__version__', version)
    with pytest.raises(ImportError, match=rf'mmws needs mmcv >=2.0, <2.4; found {version}'):
        compat._check_hosts()


@pytest.mark.parametrize('host', ['mmengine', 'mmseg'])
def test_missing_host_names_both_families(monkeypatch, host):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda n: None if n == host else find(n))
    with pytest.raises(ImportError, match=rf'{host}.*mmws\[openmmlab,lite\].*mmws\[onedl\]'):
        compat._check_hosts()


def test_no_host_at_all_names_both_families(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmengine.config.utils', None)
    with pytest.raises(ImportError, match=r'no mmengine: .*mmws\[openmm.*mmws\[onedl\]'):
        runpy.run_path(compat.__file__)


def test_mmengine_finds_the_packages_of_either_family(monkeypatch):
    monkeypatch.setitem(compat.MODULE2PACKAGE, 'mmseg', 'mmsegmentation')
    monkeypatch.setitem(compat.MODULE2PACKAGE, 'mmdet', 'mmdet')
    installed = {'onedl-mmsegmentation': '1.4.2', 'mmdet': '3.3.0'}

    def version(package):
        if package not in installed:
            raise importlib.metadata.PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(importlib.metadata, 'version', version)
    compat._name_packages()
    compat._name_packages()
    names = compat.MODULE2PACKAGE
    assert names['mmseg'] == 'onedl-mmsegmentation' and names['mmdet'] == 'mmdet'


def test_stand_in_for_find_loader(monkeypatch):
    """mmengine and mmcv call what Python 3.14 has no more."""
    monkeypatch.delattr(pkgutil, 'find_loader', raising=False)
    monkeypatch.setattr(torch.serialization, 'add_safe_globals', lambda allowed: None)
    runpy.run_path(compat.__file__)
    assert pkgutil.find_loader('mmcv') is not None
    assert pkgutil.find_loader('no_such_module') is None
