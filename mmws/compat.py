"""Make OpenMMLab's packages, and OneDL's forks of them, work on today's Python and torch.

Imported first by :mod:`mmws`; safe to import more than once.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import pickle
import pkgutil
import sys
import types

import numpy as np
import torch

# Tested: what OpenMMLab released last, and OneDL's mmengine 0.10.12, mmcv 2.3.6, mmseg 1.4.2.
_HOSTS = {
    'mmengine': ((0, 10, 4), (0, 12)),
    'mmseg': ((1, 2), (1, 5)),
    'mmcv': ((2, 0), (2, 4)),
}
_INSTALL = 'pip install "mmws[openmmlab,lite]", or OneDL\'s forks: pip install "mmws[onedl]"'

if not hasattr(pkgutil, 'find_loader'):  # gone from Python 3.14; mmengine and mmcv call it
    pkgutil.find_loader = lambda name: getattr(importlib.util.find_spec(name), 'loader', None)

try:
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler
    from mmengine.runner import checkpoint as mmengine_checkpoint
    from mmengine.utils import digit_version
except ModuleNotFoundError as error:
    if error.name.partition('.')[0] != 'mmengine':
        raise
    raise ImportError(f'mmws needs MMSegmentation, and finds no mmengine: {_INSTALL}') from error


def _stub_mmcv_ext() -> None:
    """Let mmsegmentation import on an mmcv without compiled ops.

    ``mmseg.models`` imports ``mmcv.ops`` for heads that most users never build. The stub stands in
    for the missing ``mmcv._ext`` only; calling one of its ops raises an error that says what to do.
    """
    if 'mmcv._ext' in sys.modules or importlib.util.find_spec('mmcv') is None:
        return
    if importlib.util.find_spec('mmcv._ext') is not None:
        return
    stub = types.ModuleType('mmcv._ext')
    stub.__getattr__ = _missing_op
    stub.__spec__ = importlib.util.spec_from_loader('mmcv._ext', loader=None)
    sys.modules['mmcv._ext'] = stub


def _missing_op(name: str):
    if name.startswith('__'):
        raise AttributeError(name)

    def missing_op(*args, **kwargs):
        raise RuntimeError(
            f'mmcv.ops.{name} is a compiled op and the mmcv of this environment has none. Install '
            'the full mmcv to use this model.'
        )

    return missing_op


def _checkpoint_attribute(obj, name):
    """Stand in for ``builtins.getattr`` while a checkpoint is read.

    mmengine pickles methods: those that :class:`HistoryBuffer` registers as statistics, and the
    annealing of its one-cycle schedulers. pickle writes each as a getattr on the class. Allowing
    the real ``getattr`` would let a checkpoint reach any attribute of anything, which is what the
    safe loader is there to prevent.
    """
    statistics = obj is HistoryBuffer and not name.startswith('_')
    annealing = obj is OneCycleParamScheduler and name in ('_annealing_cos', '_annealing_linear')
    if (statistics or annealing) and hasattr(obj, name):
        return getattr(obj, name)
    raise pickle.UnpicklingError(
        f'a checkpoint asks for getattr({obj!r}, {name!r}), which mmengine never writes: '
        'refused. Load only files that you trust.'
    )


def _allow_mmengine_checkpoints() -> None:
    """Let torch >= 2.6 load mmengine's checkpoints with ``weights_only=True`` left on.

    A checkpoint holds the message hub beside the weights: HistoryBuffers and numpy scalars, which
    torch's safe loader refuses unless they are named.
    """
    # Older versions default to the other loader, and do not take the pairs below.
    if digit_version(torch.__version__)[:2] < (2, 6):
        return
    multiarray = (np._core if hasattr(np, '_core') else np.core).multiarray
    integers = [f'{sign}{size}' for sign in 'iu' for size in (1, 2, 4, 8)]
    dtypes = {type(np.dtype(t)) for t in ('f2', 'f4', 'f8', 'b1', *integers)}
    allowed = [HistoryBuffer, OneCycleParamScheduler, np.ndarray, np.dtype, *dtypes]
    for function in (multiarray._reconstruct, multiarray.scalar):
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
            allowed.append((function, f'{module}.{function.__name__}'))
    allowed.append((_checkpoint_attribute, 'builtins.getattr'))
    torch.serialization.add_safe_globals(allowed)
    # OneDL's mmengine allows the real getattr, and forgets after a file what it has allowed for it.
    if hasattr(mmengine_checkpoint, 'get_torch_safe_globals'):
        mmengine_checkpoint.get_torch_safe_globals = list


def _name_packages() -> None:
    """Let configs inherit from ``mmws::...``, and from ``mmseg::...`` of OneDL's forks.

    mmengine looks only in packages of its own list.
    """
    MODULE2PACKAGE.setdefault('mmws', 'mmws')
    for module in ('mmseg', 'mmpretrain', 'mmdet'):
        fork = f'onedl-{MODULE2PACKAGE[module].removeprefix("onedl-")}'
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(fork)
            MODULE2PACKAGE[module] = fork


def _check_hosts() -> None:
    """Refuse a host outside the tested range, with the version found and the range wanted."""
    for name, (low, high) in _HOSTS.items():
        if importlib.util.find_spec(name) is None:
            raise ImportError(f'mmws needs {name}, which is not installed: {_INSTALL}')
        module = __import__(name)
        found = digit_version(module.__version__)[:3]
        if not (low <= tuple(found) < high):
            wanted = f'>={".".join(map(str, low))}, <{".".join(map(str, high))}'
            raise ImportError(f'mmws needs {name} {wanted}; found {module.__version__}.')


_stub_mmcv_ext()
_check_hosts()
_allow_mmengine_checkpoints()
_name_packages()
