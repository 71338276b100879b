"""Data of the user's own in VOC's layout, and what a table needs of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmws.files.folder import SeedFolder
from mmws.files.id_list import read_ids

from .cells import NOISE_DRAWS, SOURCES, Training
from .jobs import Job
from .training_run import TrainingRun

_DEFAULT_ROOT = Path('data/VOCdevkit/VOC2012')
_LISTS = Path('ImageSets', 'Segmentation')


@dataclass(frozen=True)
class VOCData:
    """Data that are there already, in VOC's layout.

    Attributes:
        folder: Where the results go.
        root: The data, with ``seeds`` and ``noisy``; None for ``data/VOCdevkit/VOC2012``,
            ``data/seeds`` and ``data/noisy``, as the configs have it.
        weights: A config on VGG16 whose weights and normalisation all trainings on VGG16 take.
    """

    folder: Path
    root: Path | None = None
    weights: Path | None = None

    kind = 'voc12'
    configs = 'msws'
    # As the author tests.
    test_flags = ('--tta', '--crf')

    @property
    def name(self) -> str:
        return self.folder.name

    def options(self, training: Training, epochs: int | None) -> dict[str, object]:
        """What a training has instead of its base config, by dotted names, to read these data."""
        options: dict[str, object] = {}
        dataset = 'train_dataloader.dataset'
        if self.root is not None:
            datasets = [f'{key}_dataloader.dataset' for key in ('val', 'test')]
            datasets.append(f'{dataset}.dataset' if training.seeds else dataset)
            options = {f'{key}.data_root': str(self.root) for key in datasets}
        if training.seeds:
            options[f'{dataset}.seed_root'] = str((self.root or Path('data')) / training.seed_root)
            options[f'{dataset}.seed_dirs'] = list(training.seeds)
        if self.weights is not None and training.network == 'vgg16':
            options |= _weights_of(self.weights)
        if epochs is not None:
            options |= {
                'train_cfg.max_epochs': epochs,
                'train_cfg.val_interval': epochs,
                'param_scheduler.0.end': epochs + 1,  # as the configs: above 0 to the last epoch
            }
        return options

    def needs(self, training: Training) -> tuple[str, ...]:
        return ()

    def jobs(self, trainings: Iterable[Training]) -> list[Job]:
        return []

    def check_claim(self) -> None:
        """Every training says itself what it read."""

    def check(self, runs: Iterable[TrainingRun]) -> None:
        """Look for everything that trainings and tests read, before the first one starts.

        Raises:
            FileNotFoundError: Seeds, lists, images or masks are missing.
        """
        configs = {run.name: run.config for run in runs}
        self._check_seeds(configs)
        checked = set()
        for name, cfg in configs.items():
            train = cfg.train_dataloader.dataset
            for dataset, masks in (
                (train.get('dataset', train), 'dataset' not in train),
                (cfg.test_dataloader.dataset, True),
            ):
                key = (dataset.data_root, dataset.ann_file, masks)
                if key not in checked:
                    checked.add(key)
                    _check_files(dataset, masks=masks, run=name)

    def without_test(self) -> str | None:
        """Say what keeps the test server's images from being predicted; None: nothing."""
        root = self.root or _DEFAULT_ROOT
        path = root / _LISTS / 'test.txt'
        if not path.is_file():
            return f'there is no {path}'
        return missing_files(path, root / 'JPEGImages', '.jpg')

    def _check_seeds(self, configs: Mapping[str, Config]) -> None:
        problems: dict[Path, str] = {}
        for name, cfg in configs.items():
            dataset = cfg.train_dataloader.dataset
            for seed in dataset.get('seed_dirs', []):
                folder = Path(dataset.get('seed_root', ''), seed)
                if folder not in problems and (problem := folder_problem(folder)):
                    problems[folder] = f'{problem} (for {name})'
        if problems:
            folder, problem = next(iter(problems.items()))
            root = self.root or _DEFAULT_ROOT
            commands = dict.fromkeys(how_to_make(folder, root) for folder in problems)
            raise FileNotFoundError(
                f'{len(problems)} seed folders are not ready, the first: {folder} {problem}. Make '
                'them with:\n' + '\n'.join(f'  {command}' for command in commands)
            )


def _weights_of(path: Path) -> dict[str, object]:
    model = Config.fromfile(path).model
    options: dict[str, object] = {}
    for part in ('backbone', 'decode_head'):
        for key, value in model[part].init_cfg.items():
            options[f'model.{part}.init_cfg.{key}'] = value
    for key in ('mean', 'std', 'bgr_to_rgb'):
        options[f'model.data_preprocessor.{key}'] = model.data_preprocessor[key]
    return options


def folder_problem(folder: Path) -> str | None:
    """Say why seeds cannot be read; folders that something else has made are welcome."""
    if not folder.is_dir():
        return 'is missing'
    seeds = SeedFolder(folder, {})
    if seeds.is_complete:
        return None
    if seeds.stored_recipe() is not None:
        return 'is unfinished'
    return None if any(folder.rglob('*.png')) else 'holds no PNG'


def how_to_make(folder: Path, root: Path) -> str:
    """Return the command that makes a seed folder of the tables."""
    source = SOURCES[folder.name]
    if source.ratio:
        return (
            f'python tools/make_noisy_labels.py {root / "SegmentationClassAug"} '
            f'--list {root / _LISTS / "train_aug.txt"} --ratio {source.ratio} '
            f'--draws {NOISE_DRAWS} --out {folder.parent}'
        )
    merge = f' --cfg-options seeds.merge={source.merge}' if source.merge else ''
    return (
        f'python tools/generate_seeds.py configs/cam/{source.network}_cam_voc12aug.py CHECKPOINT '
        f'--out {folder.parent}{merge}'
    )


def _check_files(dataset: Mapping, *, masks: bool, run: str) -> None:
    root, prefix = Path(dataset['data_root']), dataset['data_prefix']
    path = root / dataset['ann_file']
    if not path.is_file():
        raise FileNotFoundError(f'the list {path} is missing (for {run}).')
    folders = {root / prefix['img_path']: '.jpg'}
    if masks:
        folders[root / prefix['seg_map_path']] = '.png'
    for folder, suffix in folders.items():
        if problem := missing_files(path, folder, suffix):
            raise FileNotFoundError(f'{problem} (for {run}).')


def missing_files(ids: Path, folder: Path, suffix: str) -> str | None:
    """Say which files of a list a folder lacks, from one look at it; None: none."""
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    wanted = read_ids(ids, lambda image_id: image_id + suffix in there)
    missing = [image_id for image_id in wanted if image_id + suffix not in there]
    if not missing:
        return None
    first = folder / f'{missing[0]}{suffix}'
    return f'{len(missing)} of the {len(wanted)} files of {ids} are missing, the first: {first}'
