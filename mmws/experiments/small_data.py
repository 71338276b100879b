"""Small data that are made here, and stage one on them: images, noise, classifiers, seeds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg.utils import get_classes, get_palette

from mmws.datasets.shapes_dataset import ShapesDataset
from mmws.files.folder import SEED_MANIFEST, SeedFolder

from .cells import NOISE_DRAWS, Source, Training
from .data import LISTS, Data, datasets_of, schedule
from .identity import described
from .jobs import Job
from .training_run import TrainingRun, project_root, read_config

# Blocks of 8 to 64 pixels are for photos of 500; these images have 96.
_NOISE_BLOCKS = (4, 16)
# tools/test.py measures them.
_NO_VALIDATION = {'train_cfg.val_begin': 1_000_000}


@dataclass(frozen=True)
class SmallData(Data):
    """How the small data are made.

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

    kind = configs = 'shapes'

    @property
    def name(self) -> str:
        return 'shapes' if self.masks is None else self.folder.name

    @property
    def root(self) -> Path:
        return self.folder / 'data'

    seed_root = root

    @property
    def classes(self) -> tuple[str, ...]:
        """With the background."""
        return ShapesDataset.METAINFO['classes'] if self.masks is None else get_classes('voc')

    @property
    def palette(self) -> list[list[int]]:
        return ShapesDataset.METAINFO['palette'] if self.masks is None else get_palette('voc')

    def check(self, trainings: Sequence[Training]) -> None:
        recipe = {**vars(self), 'folder': None, 'masks': self.masks and str(self.masks.resolve())}
        described(self.folder, recipe).check()
        if self.masks is not None:
            found, wanted = len(list(self.masks.glob('*.png'))), self.train + self.val
            if found < wanted:
                raise FileNotFoundError(
                    f'{self.masks} holds {found} label maps (PNG) and {wanted} are wanted. Name '
                    'the folder that holds them, or ask for fewer with --train and --val.'
                )
        described(self.folder, recipe).prepare()

    def options(self, training: Training) -> dict[str, object]:
        options = super().options(training) | _NO_VALIDATION
        if self.masks is not None:
            options |= {f'{key}.type': 'PascalVOCDataset' for key in datasets_of(training)}
            options['model.decode_head.num_classes'] = len(self.classes)
        if 'model.backbone.init_cfg' not in training.options:
            weights = str(self.checkpoint('vgg16'))
            for part in ('backbone', 'decode_head'):
                options[f'model.{part}.init_cfg.checkpoint'] = weights
        for i, hook in enumerate(read_config(self.base(training)).custom_hooks):
            if 'gt_dir' in hook:
                options[f'custom_hooks.{i}.gt_dir'] = str(self.root / 'SegmentationClassAug')
        return options

    def needs(self, training: Training) -> tuple[str, ...]:
        return ('images', 'vgg16 classifier', *(source.name for source in training.sources))

    def jobs(self, trainings: Sequence[Training]) -> list[Job]:
        # The classifier of VGG16 in any case: the segmentation networks start from it.
        sources = list(dict.fromkeys(s for training in trainings for s in training.sources))
        networks = dict.fromkeys(['vgg16', *(s.network for s in sources if s.network)])
        masks = [] if self.masks is None else ['--from-masks', self.masks]
        images = self._job(
            'images',
            *('make_shapes.py', '--out', self.root, '--train', self.train, '--val', self.val),
            *('--seed', self.seed, *masks),
            last=self.root / 'JPEGImages',
        )
        # ResNet38 takes longest.
        classifiers = [self.classifier(network).job() for network in sorted(networks)]
        return [images, *classifiers, *map(self._make_seeds, sources)]

    def classifier(self, network: str) -> TrainingRun:
        """The training of a classifier."""
        base = project_root() / 'configs' / 'shapes' / f'{network}_cam.py'
        options: dict[str, object] = {'randomness.seed': self.seed, **_NO_VALIDATION}
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            options[f'{loader}.dataset.data_root'] = str(self.root)
            if self.masks is not None:
                options[f'{loader}.dataset.classes'] = list(self.classes[1:])
        if self.masks is not None:
            for part in ('head', 'data_preprocessor'):
                options[f'model.{part}.num_classes'] = len(self.classes) - 1
        return TrainingRun(
            name=f'{network} classifier',
            base=base,
            options=options | schedule(base, self.classifier_epochs),
            folder=self.folder / 'cam' / network,
            needs=('images',),
        )

    def checkpoint(self, network: str) -> Path:
        """The weights of a trained classifier."""
        run = self.classifier(network)
        return run.folder / f'epoch_{run.config.train_cfg.max_epochs}.pth'

    def _make_seeds(self, source: Source) -> Job:
        if source.ratio:
            return self._job(
                source.name,
                *('make_noisy_labels.py', self.root / 'SegmentationClassAug'),
                *('--list', self.root / LISTS / 'train.txt', '--out', self.root / 'noisy'),
                *('--ratio', source.ratio, '--draws', NOISE_DRAWS, '--seed', self.seed),
                *('--sizes', *_NOISE_BLOCKS, *source.options),
                last=self.root / 'noisy' / source.folders[-1],
                needs=('images',),
            )
        classifier = self.classifier(source.network)
        merge = ['--cfg-options', f'seeds.merge={source.merge}'] if source.merge else []
        return self._job(
            source.name,
            *('generate_seeds.py', classifier.config_path, self.checkpoint(source.network)),
            *('--out', self.root / 'seeds', '--cams', self.folder / 'cams', *merge),
            last=self.root / 'seeds' / source.folders[-1],
            needs=(classifier.name,),
        )

    def _job(self, name: str, tool: str, *arguments, last: Path, needs=()) -> Job:
        """A job whose tool fills folders; the last one's manifest says that it is done."""
        images = name == 'images'
        made = SeedFolder(
            last,
            {},
            suffix='.jpg' if images else '.png',
            manifest='shapes.json' if images else SEED_MANIFEST,
        )
        total = self.train + self.val if images else self.train
        command = [sys.executable, project_root() / 'tools' / tool, *arguments, '--workers', 0]
        return Job(
            name=name,
            steps=lambda: [command],
            log=self.folder / f'{name}.log',
            done=lambda: made.is_complete,
            needs=needs,
            progress=lambda: f'{len(made.finished())} of {total} files',
        )
