"""Stage one on small data that is made here: scenes, noisy labels, classifiers, seeds.

Everything that stage two of ``configs/tables/shapes`` needs, as jobs: the Shapes data or real masks
that wear its textures, the pilot experiment's noise, both CAM classifiers and the seeds of each.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmengine.config import Config
from mmseg.utils import get_classes, get_palette

from mmws.datasets.shapes_dataset import ShapesDataset
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder

from .cell_run import training_progress
from .cells import NOISE_DRAWS
from .claim import check_claim, write_claim
from .jobs import Job, files_made
from .paths import project_root

CLASSIFIERS = ('vgg16', 'res38')
# Blocks of 8 to 64 pixels are for photos of 500; these images have 96.
_NOISE_BLOCKS = (4, 16)


@dataclass(frozen=True)
class SmallData:
    """Where the small data are, and how they are made.

    Attributes:
        folder: Everything goes into it: ``data``, ``data/seeds``, ``data/noisy``, ``cam``.
        train: Number of training images.
        val: Number of held-out images.
        seed: Of the scenes, of the noise and of the classifiers.
        masks: Folder of real label maps in VOC's classes; their objects wear the textures.
        classifier_epochs: Instead of the number in the classifiers' configs.
    """

    folder: Path
    train: int = 2000
    val: int = 200
    seed: int = 0
    masks: Path | None = None
    classifier_epochs: int | None = None

    @property
    def root(self) -> Path:
        """The data in VOC layout."""
        return self.folder / 'data'

    @property
    def classes(self) -> tuple[str, ...]:
        """With the background."""
        if self.masks is None:
            return tuple(ShapesDataset.METAINFO['classes'])
        return tuple(get_classes('voc'))

    @property
    def palette(self) -> list[list[int]]:
        if self.masks is None:
            return ShapesDataset.METAINFO['palette']
        return get_palette('voc')

    def classifier(self, name: str) -> Path:
        """The work dir of a classifier."""
        return self.folder / 'cam' / name

    def checkpoint(self, name: str) -> Path:
        """The weights of a trained classifier."""
        epochs = self.classifier_epochs
        if epochs is None:
            epochs = Config.fromfile(_classifier_config(name)).train_cfg.max_epochs
        return self.classifier(name) / f'epoch_{epochs}.pth'

    def check_claim(self) -> None:
        """Refuses a folder with other data.

        Raises:
            FileExistsError: The folder holds data that were made otherwise.
        """
        check_claim(self.folder, self._recipe())

    def claim(self) -> None:
        """Writes down how the data are made, if they can be made.

        Raises:
            FileExistsError: The folder holds data that were made otherwise.
            FileNotFoundError: There are not enough masks.
        """
        self.check_claim()
        if self.masks is not None:
            found, wanted = sum(1 for _ in self.masks.glob('*.png')), self.train + self.val
            if found < wanted:
                raise FileNotFoundError(
                    f'{self.masks} holds {found} label maps (PNG) and {wanted} are wanted. Name '
                    'the folder that holds them, or ask for fewer with --train and --val.'
                )
        write_claim(self.folder, self._recipe())

    def _recipe(self) -> dict:
        return dict(
            train=self.train,
            val=self.val,
            seed=self.seed,
            masks=None if self.masks is None else str(self.masks.resolve()),
            classifier_epochs=self.classifier_epochs,
        )

    def options(self, config: str, *, epochs: int | None = None, seed: int = 0) -> list[str]:
        """``key=value`` that make a config of ``configs/tables/shapes`` read these data.

        Args:
            config: Its name.
            epochs: Instead of the config's own number.
            seed: Of the training.
        """
        dataset = 'train_dataloader.dataset'
        of_classes = [f'{key}.dataset.' for key in ('val_dataloader', 'test_dataloader')]
        options = [f'{prefix}data_root={self.root}' for prefix in of_classes]
        inner = dataset if config == 'gt' else f'{dataset}.dataset'
        of_classes.append(f'{inner}.')
        options.append(f'{inner}.data_root={self.root}')
        if config != 'gt':
            seeds = 'noisy' if 'noise' in config else 'seeds'
            options.append(f'{dataset}.seed_root={self.root / seeds}')
        if self.masks is not None:
            options += [f'{prefix}type=PascalVOCDataset' for prefix in of_classes]
            options.append(f'model.decode_head.num_classes={len(self.classes)}')
        cfg = Config.fromfile(project_root() / 'configs' / 'tables' / 'shapes' / f'{config}.py')
        for part in ('backbone', 'decode_head'):
            if cfg.model[part].init_cfg is not None:
                options.append(f'model.{part}.init_cfg.checkpoint={self.checkpoint("vgg16")}')
        for i, hook in enumerate(cfg.custom_hooks):
            if 'gt_dir' in hook:
                options.append(f'custom_hooks.{i}.gt_dir={self.root / "SegmentationClassAug"}')
        options.append(f'randomness.seed={seed}')
        return options + schedule_options(epochs)

    def jobs(
        self, *, noise: Sequence[float] = (), seeds: Sequence[str] = (), merges: Sequence[str] = ()
    ) -> list[Job]:
        """What has to be made.

        Args:
            noise: Ratios of the noisy labels.
            seeds: Classifiers to make seeds of. The one of VGG16 is trained in any case: the
                segmentation networks start from it.
            merges: ``'max'`` and ``'mean'``: also the seeds of VGG16's merged CAMs (Table 3).
        """
        jobs = [self._make_data()]
        jobs += [
            self._train_classifier(n)
            for n in sorted({'vgg16', *seeds}, key=CLASSIFIERS[::-1].index)
        ]
        jobs += [self._draw_noise(ratio) for ratio in noise]
        jobs += [self._make_seeds(name) for name in seeds]
        jobs += [self._make_seeds('vgg16', merge) for merge in merges]
        return jobs

    def _tool(self, name: str, *arguments) -> list[str]:
        return [sys.executable, *map(str, (project_root() / 'tools' / name, *arguments))]

    def _make_data(self) -> Job:
        masks = [] if self.masks is None else ['--from-masks', self.masks]
        numbers = ['--train', self.train, '--val', self.val, '--seed', self.seed]
        return Job(
            name='images',
            commands=[self._tool('make_shapes.py', '--out', self.root, *numbers, *masks)],
            log=self.folder / 'make_shapes.log',
            done=lambda: (
                SeedFolder(self.root / 'JPEGImages', {}, manifest='shapes.json').is_complete
            ),
            progress=partial(
                files_made, self.root / 'JPEGImages', self.train + self.val, suffix='.jpg'
            ),
            device=False,
        )

    def _draw_noise(self, ratio: float) -> Job:
        numbers = ['--ratio', ratio, '--draws', NOISE_DRAWS, '--seed', self.seed]
        command = self._tool(
            'make_noisy_labels.py',
            *(self.root / 'SegmentationClassAug', '--out', self.root / 'noisy', *numbers),
            *('--list', self.root / 'ImageSets' / 'Segmentation' / 'train.txt'),
            *('--sizes', *_NOISE_BLOCKS, '--workers', 1),
        )
        last = self.root / 'noisy' / f'noise{ratio}_{NOISE_DRAWS - 1:02d}'
        return Job(
            name=f'noise {ratio}',
            commands=[command],
            log=self.folder / 'make_noisy_labels.log',
            done=lambda: SeedFolder(last, {}).is_complete,
            needs=('images',),
            progress=partial(files_made, last, self.train),
            device=False,
        )

    def _train_classifier(self, name: str) -> Job:
        folder = self.classifier(name)
        options = [*self._classifier_options(), *schedule_options(self.classifier_epochs)]
        command = self._tool(
            'train.py',
            *(_classifier_config(name), '--resume', '--work-dir', folder),
            *('--cfg-options', *options),
        )
        return Job(
            name=f'{name} classifier',
            commands=[command],
            log=folder / 'log.txt',
            done=(folder / 'done').is_file,
            needs=('images',),
            finish=partial(write_atomically, folder / 'done', b''),
            progress=partial(training_progress, folder),
        )

    def _make_seeds(self, name: str, merge: str | None = None) -> Job:
        options = self._classifier_options()
        if merge is not None:
            options.append(f'seeds.merge={merge}')
        command = self._tool(
            'generate_seeds.py',
            *(
                _classifier_config(name),
                self.checkpoint(name),
                '--out',
                self.root / 'seeds',
                '--workers',
                1,
            ),
            *('--cams', self.folder / 'cams', '--cfg-options', *options),
        )
        last = self.root / 'seeds' / f'{name}_crf_{merge or "x0.5"}'
        return Job(
            name=f'{name} seeds' + (f' ({merge})' if merge else ''),
            commands=[command],
            log=self.folder / 'cam' / f'{name}_seeds.log',
            done=lambda: SeedFolder(last, {}).is_complete,
            needs=(f'{name} classifier',),
            progress=partial(files_made, last, self.train),
        )

    def _classifier_options(self) -> list[str]:
        options = [f'randomness.seed={self.seed}']
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            options.append(f'{loader}.dataset.data_root={self.root}')
            if self.masks is not None:
                names = ','.join(self.classes[1:])
                options.append(f'{loader}.dataset.classes=[{names}]')
        if self.masks is not None:
            number = len(self.classes) - 1
            options += [f'model.head.num_classes={number}']
            options += [f'model.data_preprocessor.num_classes={number}']
        return options


def schedule_options(epochs: int | None) -> list[str]:
    """``key=value`` that shorten the schedule of a small config."""
    if epochs is None:
        return []
    return [
        f'train_cfg.max_epochs={epochs}',
        f'train_cfg.val_interval={epochs}',
        f'param_scheduler.0.total_steps={epochs}',
    ]


def _classifier_config(name: str) -> Path:
    return project_root() / 'configs' / 'shapes' / f'{name}_cam.py'
