"""What the command lines of tools/train.py and tools/test.py do with a config."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import is_zipfile

import torch
from mmcv.transforms import LoadAnnotations
from mmengine.config import Config, ConfigDict
from mmengine.dataset import InfiniteSampler
from mmengine.device import get_device
from mmengine.dist import is_distributed
from mmengine.logging import print_log
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmws.files.find_images import missing_files
from mmws.files.storage import is_local
from mmws.files.worker_pool import share_of_work

_CHECKS = ['CheckpointCheckHook', 'NumClassesCheckHook']


def set_work_dir(cfg: Config, work_dir: str | None, config_path: str) -> None:
    """Take the command line's folder, the config's, or ``work_dirs/<name of the config>``."""
    default = str(Path('work_dirs', Path(config_path).stem))
    cfg.work_dir = work_dir or cfg.get('work_dir') or default


def add_checks(cfg: Config, *, allow_partial: bool | None = None) -> None:
    """Add the hooks that check checkpoints and data, where the config has none.

    A segmentor gets the one that writes ``report.html`` after a training, too; it does nothing in a
    test. ``allow_partial`` replaces the option of :class:`CheckpointCheckHook`; None keeps it.
    """
    hooks = list(cfg.get('custom_hooks') or [])
    present = {type_name(hook) for hook in hooks}
    names = _CHECKS + ['RunReportHook'] * (cfg.get('default_scope') == 'mmseg')
    hooks += [ConfigDict(type=f'mmengine.{name}') for name in names if name not in present]
    if allow_partial is not None:
        for hook in hooks:
            if type_name(hook) == 'CheckpointCheckHook':
                hook['allow_partial'] = allow_partial
    cfg.custom_hooks = hooks


def enable_amp(cfg: Config) -> None:
    """Train with automatic mixed precision; a ValueError where the config's wrapper has none."""
    wrapper = type_name(cfg.optim_wrapper, default='OptimWrapper')
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ValueError(
            f'--amp turns an OptimWrapper into an AmpOptimWrapper; this config has {wrapper}. Set '
            'the type of optim_wrapper in the config.'
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def run(cfg: Config, work: Callable[[Runner], object]) -> None:
    """Build the runner of a config, have it work, and have a launcher's processes part in order.

    Where there is no GPU, processes that torchrun started meet by gloo: mmengine's launcher takes
    a GPU for each. ``work`` is called with the runner and must not keep it.
    """
    if cfg.get('launcher') == 'pytorch' and get_device() == 'cpu':
        if not is_distributed():
            torch.distributed.init_process_group('gloo')
        if cfg.get('model_wrapper_cfg') is None:
            # What the Runner does without such a config, but for the GPU.
            cfg.model_wrapper_cfg = dict(
                type='MMDistributedDataParallel',
                broadcast_buffers=False,
                find_unused_parameters=cfg.get('find_unused_parameters', False),
            )
        cfg.model_wrapper_cfg.setdefault('device_ids', None)
    try:
        work(RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg))
    finally:
        if is_distributed():
            torch.distributed.destroy_process_group()
            # The wrapped model holds the group, too. Threads of gloo that live on into the
            # interpreter's end abort one run of ten; collecting the runner's cycles joins them.
            gc.collect()


def train(runner: Runner) -> None:
    """Train, unless :func:`check_training_data` refuses."""
    check_training_data(runner)  # schedules by iterations divide by the length of an epoch
    runner.train()


def check_training_data(runner: Runner) -> None:
    """Look before the first iteration for what would make a training end without a result.

    Raises:
        FileNotFoundError: Label maps of the validation are missing; mmseg finds out epochs later.
        ValueError: With ``drop_last`` there are fewer images than a batch holds: no step is made.
    """
    loader = runner.train_loop.dataloader
    if not len(loader) and not isinstance(loader.sampler, InfiniteSampler):
        share = f' ({len(loader.sampler)} for each process)' if is_distributed() else ''
        raise ValueError(
            f'the training set has {len(loader.dataset)} images{share}, fewer than a batch '
            f'(train_dataloader.batch_size={loader.batch_size}), and drop_last=True drops them: no '
            'step would be made. Lower batch_size, set drop_last=False, or take more images '
            '(--limit).'
        )
    dataset = runner.val_loop and runner.val_loop.dataloader.dataset
    if not hasattr(dataset, 'get_data_info'):
        return
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    backends = [step.backend_args for step in steps if isinstance(step, LoadAnnotations)]
    paths = [info['seg_map_path'] for info in infos if info.get('seg_map_path')]
    paths = [path for path in paths if is_local(path, *backends[:1])]
    if missing := missing_files(paths):
        raise FileNotFoundError(
            f'{len(missing)} of the {len(paths)} label maps of val_dataloader are missing, the '
            f'first: {missing[0]}. Put them there, correct data_prefix.seg_map_path, or train '
            'without a validation: --cfg-options val_cfg=None val_dataloader=None '
            'val_evaluator=None'
        )


def set_resume(cfg: Config, resume: str | None) -> None:
    """Continue an interrupted training from a checkpoint, if the command line names one.

    ``'auto'`` is the newest whole one of ``cfg.work_dir``, or where there is none a fresh start
    (from the config's ``load_from``, if it has one).
    """
    if resume is None:
        return
    found = newest_checkpoint(cfg.work_dir) if resume == 'auto' else resume
    cfg.resume = found is not None
    if found is None:
        print_log(f'No checkpoint in {cfg.work_dir} to resume from: starting afresh.')
    else:
        cfg.load_from = found


def newest_checkpoint(folder: str | Path) -> str | None:
    """Find the newest whole checkpoint of a work dir; None where there is none.

    It is the one that ``last_checkpoint`` names, or else the highest epoch or iteration that can be
    read: a training that was killed while it saved may have removed the named one and left half of
    the next; a folder that was moved has it elsewhere.
    """
    note = Path(folder, 'last_checkpoint')
    if note.is_file() and Path(named := note.read_text().strip()).exists():
        return named
    numbered = {
        int(number[0]): path
        for path in Path(folder).glob('*.pth')
        if (number := re.findall(r'^(?:epoch|iter)_(\d+)$', path.stem)) and is_zipfile(path)
    }
    return str(numbered[max(numbered)]) if numbered else None


def own_device() -> str:
    """Name the GPU of this process, which may be one of several on the machine, or the CPU."""
    gpus = torch.cuda.device_count()
    return f'cuda:{share_of_work()[2] % gpus}' if gpus else 'cpu'


def limit_dataset(cfg: Config, loader: str, limit: int) -> None:
    """Keep the first ``limit`` images of a data loader, for a trial run."""
    if cfg.get(loader) is None:
        return
    for dataset in datasets_in(cfg[loader].dataset):
        dataset.indices = limit


def type_name(cfg: dict, default: str = '') -> str:
    """Return the class name that a config asks for, without scope and module."""
    kind = cfg.get('type', default)
    return kind.rsplit('.', 1)[-1] if isinstance(kind, str) else kind.__name__


def datasets_in(cfg: ConfigDict) -> Iterator[ConfigDict]:
    """Yield the datasets inside wrappers such as ConcatDataset and MultiSeedDataset."""
    wrapped = cfg.get('datasets') or ([cfg.dataset] if 'dataset' in cfg else [])
    for dataset in wrapped:
        yield from datasets_in(dataset)
    if not wrapped:
        yield cfg


def checkpoint_file(path: str | Path) -> str:
    """The path itself, or of a work dir the newest checkpoint, without which it is an error."""
    if not Path(path).is_dir():
        return str(path)
    newest = newest_checkpoint(path)
    if newest is None:
        raise FileNotFoundError(f'{path} holds no checkpoint. Train first, or name a file.')
    return newest
