"""Make the seeds when the training of a classifier ends."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import torch
from mmengine.dist import all_gather_object, barrier, get_rank, get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.registry import HOOKS

from mmws.files.map_run import MapReport
from mmws.files.worker_pool import worker_cores

from .seed_generation import build_generation, recipe_of, seed_dataset
from .seed_images import dataset_images


@HOOKS.register_module()
class SeedGenerationHook(Hook):
    """Make folders of seeds with the classifier that has just been trained.

    It does what ``tools/generate_seeds.py`` does with the last checkpoint; in a distributed
    training every process makes its share. What can be checked is checked before the first
    iteration. If it is stopped, run that tool: it continues.

    Args:
        out: SEED_ROOT, in which each seed gets its folder.
        workers: Number of worker processes of each process of the training; by default one a core,
            shared out among the processes of a machine.
        cams_dir: Keep the CAMs here.
        overwrite: Replace folders that are there. By default a folder that another classifier made
            is refused, after the training; its checkpoint and the tool then do the rest.

    Example:
        >>> custom_hooks = [dict(type='mmengine.SeedGenerationHook', out='data/seeds')]
    """

    priority = 'VERY_LOW'  # after the last checkpoint

    def __init__(
        self,
        out: str,
        *,
        workers: int | None = None,
        cams_dir: str | None = None,
        overwrite: bool = False,
    ):
        self.out = out
        self.workers = workers
        self.cams_dir = cams_dir
        self.overwrite = overwrite

    def before_train(self, runner) -> None:
        """Check the recipe and the files that it needs."""
        if not any(isinstance(hook, CheckpointHook) and hook.save_last for hook in runner.hooks):
            raise ValueError(
                'SeedGenerationHook makes the seeds with the last checkpoint, and this training '
                'keeps none: put a CheckpointHook with save_last=True into default_hooks.'
            )
        dataset_images(seed_dataset(runner.cfg), recipe_of(runner.cfg))

    def after_train(self, runner) -> None:
        """Make the seeds."""
        barrier()  # the first process has written the checkpoint
        generation = build_generation(
            runner.cfg,
            runner.message_hub.get_info('last_ckpt'),
            self.out,
            cams_dir=self.cams_dir,
            workers=worker_cores() if self.workers is None else self.workers,
        )
        if get_rank() == 0:
            generation.prepare(overwrite=self.overwrite)
        barrier()
        generation.prepare()
        report = MapReport.merge(_of_all_processes(generation.run))
        again = f'run tools/generate_seeds.py with the last checkpoint and --out {self.out}'
        print_log(generation.summary(report, again=again), logger='current')


def _of_all_processes(run: Callable[[], MapReport]) -> list[MapReport]:
    """Run, and collect the reports of all processes."""
    if get_world_size() == 1:
        return [run()]
    # Shares may end far apart: longer than the processes of a training wait for each other.
    group = torch.distributed.new_group(backend='gloo', timeout=datetime.timedelta(days=7))
    try:
        return all_gather_object(run(), group)
    finally:
        torch.distributed.destroy_process_group(group)
