"""Makes the seeds when the training of a classifier ends."""

from __future__ import annotations

from mmengine.dist import barrier, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import HOOKS

from .seed_generation import (
    SeedGeneration,
    classifier_identity,
    dataset_images,
    log_report,
    recipe_of,
)
from .worker_pool import available_cores


@HOOKS.register_module()
class SeedGenerationHook(Hook):
    """Turns the classifier that has just been trained into folders of seeds.

    It does what ``tools/generate_seeds.py`` does with the last checkpoint, by the same recipe
    (``seeds`` in the config), for the images of the training set; in a distributed training every
    process makes its share. What can be checked is checked before the first iteration. If it is
    stopped, run that tool: it continues.

    Args:
        out: SEED_ROOT, in which each seed gets its folder.
        workers: Number of worker processes of each process of the training; by default one a core.
        cams_dir: Keep the CAMs here.
        limit: Only the first so many images; the folders then stay unfinished.
        overwrite: Replace folders that are there. By default a folder that another classifier made
            is refused, after the training; its checkpoint and the tool then do the rest.

    Raises:
        FileNotFoundError, ValueError: As :func:`mmws.engine.seed_generation.dataset_images`,
            before training.

    Example:
        >>> custom_hooks = [dict(type='mmengine.SeedGenerationHook', out='data/seeds')]
    """

    priority = 'VERY_LOW'  # after EMA and the last checkpoint

    def __init__(
        self,
        out: str,
        *,
        workers: int | None = None,
        cams_dir: str | None = None,
        limit: int | None = None,
        overwrite: bool = False,
    ):
        self.out = out
        self.workers = workers
        self.cams_dir = cams_dir
        self.limit = limit
        self.overwrite = overwrite

    def before_train(self, runner) -> None:
        """Checks the recipe and the files that it needs."""
        self._recipe = recipe_of(runner.cfg)
        self._images = dataset_images(runner.train_dataloader.dataset, self._recipe)

    def after_train(self, runner) -> None:
        """Makes the seeds."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        world_size = get_world_size()
        workers = self.workers
        if workers is None:
            workers = max(1, available_cores() // world_size)
        dataset = runner.train_dataloader.dataset
        generation = SeedGeneration(
            self._images,
            self._recipe,
            self.out,
            identity=classifier_identity(model, runner.cfg),
            classes=dataset.metainfo.get('classes'),
            about=dict(config=runner.cfg.filename),
            model=model,
            cams_dir=self.cams_dir,
            workers=workers,
            rank=get_rank(),
            world_size=world_size,
            limit=self.limit,
        )
        if get_rank() == 0:
            generation.prepare(overwrite=self.overwrite)
        barrier()
        generation.prepare()
        log_report(generation.run(), self._recipe)
