"""Where the images, seeds and results of a table are, and what its configs say of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from .cells import Table, Training
from .jobs import Job
from .training_run import project_root, read_config

VOC_ROOT = Path('data/VOCdevkit/VOC2012')
LISTS = Path('ImageSets', 'Segmentation')


class Data:
    """Images in VOC's layout, seeds, and results.

    Attributes:
        kind: What tables ask for: ``'voc12'``, ``'photos'`` or ``'shapes'``.
        configs: The folder of the configs that trainings are variations of.
        config_root: The ``data_root`` of these configs.
        networks: What stands in for the paper's networks, by name.
        test_flags: For ``tools/test.py``.
        name: For the reader of a report.
        folder: Of the results.
        root: The images, lists and masks.
        seed_root: The parent of ``seeds`` and ``noisy``.
    """

    kind: str
    configs: str
    config_root: Path = VOC_ROOT
    networks: Mapping[str, str] = MappingProxyType({})
    test_flags: tuple[str, ...] = ()
    name: str
    folder: Path
    root: Path
    seed_root: Path

    def base(self, training: Training) -> Path:
        """The config that a training is a variation of."""
        return project_root() / 'configs' / self.configs / training.base

    def table(self, table: Table) -> Table:
        """Return a table of the paper with the networks of these data."""

        def named(name: str) -> str:
            for paper, ours in self.networks.items():
                name = name.replace(paper, ours)
            return name

        def renamed(training: Training) -> Training:
            return replace(
                training,
                name=named(training.name),
                seeds=tuple(map(named, training.seeds)),
                network=named(training.network),
            )

        return table._replace(
            title=named(table.title),
            cells=tuple(
                cell._replace(training=renamed(cell.training), row=named(cell.row))
                for cell in table.cells
            ),
            singles=tuple(map(renamed, table.singles)),
        )

    def seed_parent(self, training: Training) -> Path:
        """The folder of a training's seed folders."""
        return self.seed_root / training.seed_folder

    def options(self, training: Training) -> dict[str, object]:
        """What a training has instead of its base config, by dotted names, to read these data."""
        options = {}
        if self.root != self.config_root:
            options = {f'{key}.data_root': str(self.root) for key in datasets_of(training)}
        if training.seeds:
            dataset = 'train_dataloader.dataset'
            options[f'{dataset}.seed_root'] = str(self.seed_parent(training))
            options[f'{dataset}.seed_dirs'] = list(training.seeds)
        return options

    def check(self, trainings: Sequence[Training]) -> None:
        """Look for what trainings and tests read and nothing makes, before the first one starts.

        Raises:
            FileExistsError: The folder holds other data.
            FileNotFoundError: Something is missing.
        """

    def jobs(self, trainings: Sequence[Training]) -> list[Job]:
        """What has to be made before some trainings."""
        return []

    def needs(self, training: Training) -> tuple[str, ...]:
        """The jobs that a training has to wait for."""
        return ()


def datasets_of(training: Training) -> list[str]:
    """Where a training's config has datasets that know their ``data_root``."""
    inner = '.dataset' if training.seeds else ''
    return ['val_dataloader.dataset', 'test_dataloader.dataset', f'train_dataloader.dataset{inner}']


def schedule(config: Path, epochs: int | None) -> dict[str, object]:
    """What makes another number of epochs of a config's training, its learning rate included."""
    if epochs is None:
        return {}
    cfg = read_config(config)
    (scheduler,) = cfg.param_scheduler
    end = 'total_steps' if 'total_steps' in scheduler else 'end'
    return {
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': epochs,
        f'param_scheduler.0.{end}': epochs + scheduler[end] - cfg.train_cfg.max_epochs,
    }
