"""Data of the user's own in VOC's layout: what is there, what is missing, where it comes from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from mmws.files.folder import SeedFolder
from mmws.files.id_list import read_ids
from mmws.files.seed_source import packed_or_not
from mmws.files.storage import files_in, is_folder

from .cells import NOISE_DRAWS, SOURCES, TWELVE, Source, Training
from .data import LISTS, VOC_ROOT, Data

_SUFFIXES = {'JPEGImages': '.jpg', 'Annotations': '.xml'}


@dataclass(frozen=True)
class VOCData(Data):
    """Data that are there already.

    Attributes:
        folder: Where the results go.
        root: The data.
        seed_root: The parent of ``seeds`` and ``noisy``.
        weights: A config on VGG16 whose weights and normalisation all trainings on VGG16 take.
    """

    folder: Path
    root: Path = VOC_ROOT
    seed_root: Path = Path('data')
    weights: Path | None = None

    kind = 'voc12'
    configs = 'msws'
    # As the author tests.
    test_flags = ('--tta', '--crf')
    train_list = 'train_aug'
    classifiers = 'configs/cam/{}_cam_voc12aug.py CHECKPOINT'

    @property
    def name(self) -> str:
        return self.folder.name

    def options(self, training: Training) -> dict[str, object]:
        options = super().options(training)
        if self.weights is not None and training.network == 'vgg16':
            model = Config.fromfile(self.weights).model
            for part in ('backbone', 'decode_head'):
                for key, value in model[part].init_cfg.items():
                    options[f'model.{part}.init_cfg.{key}'] = value
            for key in ('mean', 'std', 'bgr_to_rgb'):
                options[f'model.data_preprocessor.{key}'] = model.data_preprocessor[key]
        return options

    def check(self, trainings: Sequence[Training]) -> None:
        missing = self.missing_seeds(trainings)
        if missing:
            folder, problem, _ = missing[0]
            commands = dict.fromkeys(command for *_, command in missing)
            raise FileNotFoundError(
                f'{len(missing)} seed folders are not ready, the first: {folder} {problem}. Make '
                'them with:\n' + '\n'.join(f'  {command}' for command in commands)
            )
        needs = {'training'} if all(t.seeds for t in trainings) else {'training', 'masks'}
        for item in self.checklist():
            if item.problem and item.need in needs:
                raise FileNotFoundError(
                    f'{item.use}: {item.problem}. They come from {item.source}.'
                )

    def missing_seeds(self, trainings: Sequence[Training]) -> list[tuple[Path, str, str]]:
        """Return the seed folders that are not ready, why, and the command that makes each."""
        seeds = dict.fromkeys((self.seed_parent(t), seed) for t in trainings for seed in t.seeds)
        missing = []
        for parent, seed in seeds:
            folder = parent / seed
            if problem := folder_problem(folder):
                missing.append((folder, problem, self.how_to_make(SOURCES[seed], parent)))
        return missing

    def how_to_make(self, source: Source, parent: Path) -> str:
        """Return the command that makes seed folders of the tables."""
        if source.ratio:
            return (
                f'python tools/make_noisy_labels.py {self.root / "SegmentationClassAug"} '
                f'--list {self.root / LISTS / self.train_list}.txt --ratio {source.ratio} '
                f'--draws {NOISE_DRAWS} --out {parent}' + ''.join(f' {o}' for o in source.options)
            )
        merge = f' --cfg-options seeds.merge={source.merge}' if source.merge else ''
        classifier = self.classifiers.format(source.network)
        return f'python tools/generate_seeds.py {classifier} --out {parent}{merge}'

    def checklist(self) -> list[Item]:
        """Look at what the trainings read; the images of the test server are the last item."""
        trainval = 'the trainval archive of PASCAL VOC 2012 (VOCtrainval_11-May-2012.tar)'
        server = 'the test archive of PASCAL VOC 2012, from its evaluation server'
        code = 'the code of AffinityNet (PSA), IRN, SEAM or OAA (voc12/train_aug.txt): the same ids'
        aug = (
            'SBD, the Semantic Boundaries Dataset, as PNGs in one folder with the masks of VOC: '
            'the field shares it as SegmentationClassAug (DeepLab, OAA, IRN). For val alone '
            "trainval's SegmentationClass will do"
        )
        saliency = 'what OAA and ICD publish as saliency_aug (DSS), or your own: docs/saliency.md'
        ademxapp = 'ademxapp, its model A1; the README of AffinityNet (PSA) names it'
        deeplab = 'DeepLab (vgg16_20M.caffemodel), converted as docs/classification.md says'
        lists, pretrained = self.root / LISTS, Path('data/pretrained')
        res38 = pretrained / 'ilsvrc-cls_rna-a1_cls1000_ep-0001.params'
        caffe = pretrained / 'vgg16_20M.pth'

        files = partial(files_of, self.root)
        return [
            file('training', lists / 'val.txt', '1,449 images to test on', trainval),
            file('training', lists / 'train_aug.txt', '10,582 images to train on', code),
            files('training', 'JPEGImages', ['train_aug', 'val'], 'the photos', trainval),
            files('seeds', 'Annotations', ['train_aug'], 'image-level labels', trainval),
            files('training', 'SegmentationClassAug', ['val'], 'masks to test with', aug),
            files(
                'masks', 'SegmentationClassAug', ['train_aug'], '"ground truth" and Table 1', aug
            ),
            files('seeds', 'saliency', ['train_aug'], 'where the background of seeds is', saliency),
            file('seeds', res38, 'ResNet38 on ImageNet (torchvision downloads VGG16)', ademxapp),
            file('weights', caffe, 'the VGG16 of the authors, for run_table.py --weights', deeplab),
            files('test', 'JPEGImages', ['test'], 'images for the test server', server),
        ]

    def without_test(self) -> str | None:
        """Say what keeps the test server's images from being predicted; None: nothing."""
        return self.checklist()[-1].problem

    def lacking(self) -> list[str]:
        """Name what Table 6 lacks and nobody here can make."""
        # Who has the seeds does not need what they are made of.
        needs = ('training', 'seeds') if self.missing_seeds([TWELVE]) else ('training',)
        return [item.name for item in self.checklist() if item.problem and item.need in needs]

    def next_steps(self) -> list[str]:
        """Return the commands to go on with once nothing is :meth:`lacking`."""
        steps = []
        for command in dict.fromkeys(command for *_, command in self.missing_seeds([TWELVE])):
            steps += [f'python tools/train.py {command.split()[2]}', command]
        return steps or ['python tools/run_table.py table6 --data voc12 --repeats 3']


def folder_problem(folder: Path) -> str | None:
    """Say why seeds cannot be read; folders that something else has made are welcome."""
    folder = packed_or_not(str(folder))
    if not is_folder(folder):
        return 'is missing'
    seeds = SeedFolder(folder, {})
    if seeds.is_complete:
        return None
    if seeds.stored_recipe() is not None:
        return 'is unfinished'
    return None if any(n.endswith('.png') for n in files_in(folder)) else 'holds no PNG'


class Item(NamedTuple):
    """A part of VOC 2012, or of what the recipe takes beside it.

    Attributes:
        need: What cannot do without it: every ``'training'``, the making of ``'seeds'``,
            trainings on the ``'masks'``, a start from other ``'weights'``, the ``'test'`` server.
        name: Its path.
        use: What it is for.
        problem: What is missing; None: nothing.
        source: Who publishes it.
    """

    need: str
    name: str
    use: str
    problem: str | None
    source: str


def file(need: str, path: Path, use: str, source: str) -> Item:
    """Look for a file."""
    return Item(need, str(path), use, None if path.is_file() else f'there is no {path}', source)


def files_of(
    root: Path, need: str, folder: str, splits: Sequence[str], use: str, source: str
) -> Item:
    """Look for the files of some lists in a folder of the data."""
    problems = [_missing_of(split, root, folder) for split in splits]
    name = f'{root / folder} ({", ".join(splits)})'
    return Item(need, name, use, next(filter(None, problems), None), source)


def _missing_of(split: str, root: Path, name: str) -> str | None:
    """Say which files of a list a folder lacks, from one look at it; None: none."""
    ids, folder, suffix = root / LISTS / f'{split}.txt', root / name, _SUFFIXES.get(name, '.png')
    if not ids.is_file():
        return f'there is no {ids}'
    there = set(os.listdir(folder)) if folder.is_dir() else set()
    wanted = read_ids(ids, lambda image_id: image_id + suffix in there)
    missing = [image_id + suffix for image_id in wanted if image_id + suffix not in there]
    if not missing:
        return None
    first = folder / missing[0]
    return f'{len(missing)} of the {len(wanted)} files of {ids} are missing, the first: {first}'
