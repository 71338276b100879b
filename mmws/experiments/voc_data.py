"""Data of the user's own in VOC's layout, and what a table needs of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from mmws.files.folder import SeedFolder
from mmws.files.id_list import read_ids
from mmws.seeds.crf import load_pydensecrf

from .cells import NOISE_DRAWS
from .claim import check_claim, write_claim

_DEFAULT_ROOT = Path('data/VOCdevkit/VOC2012')
_LISTS = Path('ImageSets', 'Segmentation')


@dataclass(frozen=True)
class VOCData:
    """Data that are there already, in VOC's layout.

    Attributes:
        folder: Where the results go.
        root: The data; None for ``data/VOCdevkit/VOC2012``, ``data/seeds`` and ``data/noisy``,
            as the configs have it.
    """

    folder: Path
    root: Path | None = None

    def options(self, config: str, *, epochs: int | None = None, seed: int = 0) -> list[str]:
        """``key=value`` that make a config of ``configs/tables/voc12`` read these data."""
        options = [f'randomness.seed={seed}']
        options += [f'{key}={value}' for key, value in self._roots(config).items()]
        if epochs is not None:
            options += [
                f'train_cfg.max_epochs={epochs}',
                f'train_cfg.val_interval={epochs}',
                f'param_scheduler.0.end={epochs + 1}',  # as the configs: above 0 to the last epoch
            ]
        return options

    def check_claim(self) -> None:
        """Refuses a folder with results on other data.

        Raises:
            FileExistsError: The folder holds some.
        """
        check_claim(self.folder, self._recipe())
        unclaimed = (self.folder / 'cells').is_dir() and not (self.folder / 'data.json').is_file()
        if unclaimed and self.root is not None:
            raise FileExistsError(
                f'{self.folder} holds results of an older version, which did not write down their '
                f'data; asked for is {self.root}. Choose another folder with --out.'
            )

    def claim(self) -> None:
        """Writes down what data the results in the folder are of."""
        self.check_claim()
        write_claim(self.folder, self._recipe())

    def check(self, configs: Mapping[str, Path]) -> None:
        """Looks for everything that trainings and tests read, before the first one starts.

        Args:
            configs: Name -> file.

        Raises:
            FileNotFoundError: Seeds, lists, images or masks are missing.
            ImportError: There is no CRF, which the tests use.
        """
        merged = {name: self._merged(name, path) for name, path in configs.items()}
        self._check_seeds(merged)
        checked = set()
        for name, cfg in merged.items():
            train = cfg.train_dataloader.dataset
            for dataset, masks in (
                (train.get('dataset', train), 'dataset' not in train),
                (cfg.test_dataloader.dataset, True),
            ):
                key = (dataset.data_root, dataset.ann_file, masks)
                if key not in checked:
                    checked.add(key)
                    _check_files(dataset, masks=masks, config=name)
        load_pydensecrf()

    def without_test(self) -> str | None:
        """What keeps the test server's images from being predicted; None: nothing."""
        root = self.root or _DEFAULT_ROOT
        path = root / _LISTS / 'test.txt'
        if not path.is_file():
            return f'there is no {path}'
        return _missing(path, root / 'JPEGImages', '.jpg')

    def _recipe(self) -> dict:
        return dict(data_root=None if self.root is None else str(self.root.resolve()))

    def _roots(self, config: str) -> dict[str, str]:
        if self.root is None:
            return {}
        root, dataset = str(self.root), 'train_dataloader.dataset'
        roots = {f'{key}_dataloader.dataset.data_root': root for key in ('val', 'test')}
        if config.endswith('gt'):
            return {**roots, f'{dataset}.data_root': root}
        kind = 'noisy' if config.startswith('noise') else 'seeds'
        return {
            **roots,
            f'{dataset}.dataset.data_root': root,
            f'{dataset}.seed_root': str(self.root / kind),
        }

    def _merged(self, name: str, path: Path) -> Config:
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(self._roots(name))
        return cfg

    def _check_seeds(self, configs: Mapping[str, Config]) -> None:
        problems: dict[Path, str] = {}
        for name, cfg in configs.items():
            dataset = cfg.train_dataloader.dataset
            for seed in dataset.get('seed_dirs', []):
                folder = Path(dataset.get('seed_root', ''), seed)
                if folder not in problems and (problem := _problem(folder)):
                    problems[folder] = f'{problem} (for {name})'
        if problems:
            folder, problem = next(iter(problems.items()))
            root = self.root or _DEFAULT_ROOT
            commands = dict.fromkeys(_how_to_make(folder, root) for folder in problems)
            raise FileNotFoundError(
                f'{len(problems)} seed folders are not ready, the first: {folder} {problem}. Make '
                'them with:\n' + '\n'.join(f'  {command}' for command in commands)
            )


def _problem(folder: Path) -> str | None:
    """Why seeds cannot be read; folders that something else than mmws has made are welcome."""
    if not folder.is_dir():
        return 'is missing'
    seeds = SeedFolder(folder, {})
    if seeds.is_complete:
        return None
    if seeds.stored_recipe() is not None:
        return 'is unfinished'
    return None if any(folder.rglob('*.png')) else 'holds no PNG'


def _how_to_make(folder: Path, root: Path) -> str:
    """The command that makes a seed folder of the tables."""
    if noise := re.match(r'noise([\d.]+)_', folder.name):
        return (
            f'python tools/make_noisy_labels.py {root / "SegmentationClassAug"} '
            f'--list {root / _LISTS / "train_aug.txt"} --ratio {noise[1]} --draws {NOISE_DRAWS} '
            f'--out {folder.parent}'
        )
    net, _, tag = folder.name.split('_')
    merge = f' --cfg-options seeds.merge={tag}' if tag in ('max', 'mean') else ''
    return (
        f'python tools/generate_seeds.py configs/cam/{net}_cam_voc12aug.py CHECKPOINT '
        f'--out {folder.parent}{merge}'
    )


def _check_files(dataset: Mapping, *, masks: bool, config: str) -> None:
    root, prefix = Path(dataset['data_root']), dataset['data_prefix']
    path = root / dataset['ann_file']
    if not path.is_file():
        raise FileNotFoundError(f'the list {path} is missing (for {config}).')
    folders = {root / prefix['img_path']: '.jpg'}
    if masks:
        folders[root / prefix['seg_map_path']] = '.png'
    for folder, suffix in folders.items():
        if problem := _missing(path, folder, suffix):
            raise FileNotFoundError(f'{problem} (for {config}).')


def _missing(ids: Path, folder: Path, suffix: str) -> str | None:
    """Which files of a list a folder lacks, from one look at it."""
    there = set(_names(folder))
    wanted = read_ids(ids, lambda image_id: image_id + suffix in there)
    missing = [image_id for image_id in wanted if image_id + suffix not in there]
    if not missing:
        return None
    first = folder / f'{missing[0]}{suffix}'
    return f'{len(missing)} of the {len(wanted)} files of {ids} are missing, the first: {first}'


def _names(folder: Path) -> Iterator[str]:
    if folder.is_dir():
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
