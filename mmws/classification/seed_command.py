"""What the command line of tools/generate_seeds.py builds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from .seed_generation import (
    SeedGeneration,
    classifier_identity,
    dataset_images,
    recipe_of,
    stored_cams,
)


def share_of_work(environment: Mapping[str, str]) -> tuple[int, int, int]:
    """Which share of the images is this process's, by the variables of torchrun or of srun.

    Returns:
        Rank, number of processes, and the rank on this machine: (0, 1, 0) alone.
    """
    # Not SLURM_NTASKS: that is set in a batch script too, which runs once.
    for names in (
        ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
        ('SLURM_PROCID', 'SLURM_STEP_NUM_TASKS', 'SLURM_LOCALID'),
    ):
        if all(name in environment for name in names):
            return tuple(int(environment[name]) for name in names)
    return 0, 1, 0


def build_generation(
    config: Config,
    checkpoint: str | None,
    out: str,
    *,
    scales: Sequence[float] | None = None,
    types: Sequence[str] | None = None,
    cams_dir: str | None = None,
    device: str | None = None,
    workers: int = 1,
    limit: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> SeedGeneration:
    """Checks a config, its data and its checkpoint, and says what seeds are to be made.

    The images are those of ``seed_dataset`` in the config, or else of the training set.

    Args:
        config: Of stage one, with ``seeds``.
        checkpoint: The classifier's weights; None to use CAMs that are kept only.
        out: SEED_ROOT.
        scales: Instead of those of the recipe.
        types: Instead of those of the recipe.
        cams_dir: Where CAMs are kept.
        device: Where the classifier runs; by default a GPU where there is one.
        workers: Number of worker processes.
        limit: Only the first so many images.
        environment: Tells the share of this process, see :func:`share_of_work`.

    Raises:
        FileNotFoundError: Config, checkpoint, images or saliency maps are missing.
        ValueError: Any of them is not what it should be.
    """
    from mmengine.registry import DATASETS
    from mmpretrain.registry import DATASETS as PRETRAIN_DATASETS

    import mmws.classification

    recipe = recipe_of(config, scales=scales, types=types)
    rank, world_size, local_rank = share_of_work(environment)
    scope = config.get('default_scope') or 'mmpretrain'
    dataset_cfg = config.get('seed_dataset') or config.train_dataloader.dataset
    with DefaultScope.overwrite_default_scope(scope):
        registry = PRETRAIN_DATASETS if scope == 'mmpretrain' else DATASETS
        dataset = registry.build(_without_pipeline(dataset_cfg))
    images = dataset_images(dataset, recipe)
    model = None
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if checkpoint is None:
        stored = stored_cams(cams_dir, recipe.prefix) if cams_dir else {}
        if not stored:
            raise ValueError(
                'without a checkpoint --cams must name a folder with CAMs of '
                f'{recipe.prefix!r}; {cams_dir} holds none.'
            )
        identity, classes = stored['classifier'], stored['classes']
    else:
        if device is None:
            device = 'cpu'
            if torch.cuda.is_available():
                device = f'cuda:{local_rank % torch.cuda.device_count()}'
        torch.backends.cudnn.deterministic = True  # a run that is continued makes the same seeds
        torch.backends.cudnn.benchmark = False
        model = mmws.classification.load_classifier(config, checkpoint, device)
        identity = classifier_identity(model, config)
        trained_on = model.dataset_meta['classes']
        if trained_on is not None and classes is not None and list(trained_on) != list(classes):
            raise ValueError(
                f'{checkpoint} was trained on the classes {", ".join(trained_on)}; the dataset '
                f'has {", ".join(classes)}.'
            )
    return SeedGeneration(
        images,
        recipe,
        out,
        identity=identity,
        classes=classes,
        about=dict(config=str(config.filename)),
        model=model,
        cams_dir=cams_dir,
        workers=workers,
        rank=rank,
        world_size=world_size,
        limit=limit,
    )


def _without_pipeline(dataset: dict) -> dict:
    """A dataset config whose images are listed and not loaded."""
    dataset = dict(dataset)
    if 'datasets' in dataset:
        dataset['datasets'] = [_without_pipeline(part) for part in dataset['datasets']]
    elif 'dataset' in dataset:
        dataset['dataset'] = _without_pipeline(dataset['dataset'])
    else:
        dataset['pipeline'] = []
    return dataset
