"""Stage one on small data that is made here: scenes, noisy labels, classifiers, seeds."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmseg.utils import get_classes, get_palette

from mmws.datasets.shapes_dataset import ShapesDataset
from mmws.files.folder import SEED_MANIFEST, SeedFolder

from .cells import NOISE_DRAWS, Source, Training
from .identity import check_identity, write_identity
from .jobs import Job, files_made
from .machine import project_root
from .training_run import TrainingRun, read_config

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

    kind = 'shapes'
    configs = 'shapes'
    test_flags = ()

    @property
    def name(self) -> str:
        return 'shapes' if self.masks is None else self.folder.name

    @property
    def root(self) -> Path:
        """The data in VOC layout."""
        return self.folder / 'data'

    @property
    def classes(self) -> tuple[str, ...]:
        """With the background."""
        names = ShapesDataset.METAINFO['classes'] if self.masks is None else get_classes('voc')
        return tuple(names)

    @property
    def palette(self) -> list[list[int]]:
        return ShapesDataset.METAINFO['palette'] if self.masks is None else get_palette('voc')

    def check_claim(self) -> None:
        """Refuse a folder with other data.

        Raises:
            FileExistsError: The folder holds data that were made otherwise.
        """
        check_identity(self.folder, self._recipe())

    def check(self, runs: Iterable[TrainingRun]) -> None:
        """Write down how the data are made, if they can be made.

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
        write_identity(self.folder, self._recipe())

    def _recipe(self) -> dict:
        return dict(
            train=self.train,
            val=self.val,
            seed=self.seed,
            masks=None if self.masks is None else str(self.masks.resolve()),
            classifier_epochs=self.classifier_epochs,
        )

    def options(self, training: Training, epochs: int | None) -> dict[str, object]:
        """What a training has instead of its base config, by dotted names, to read these data."""
        dataset = 'train_dataloader.dataset'
        datasets = [f'{key}_dataloader.dataset' for key in ('val', 'test')]
        datasets.append(f'{dataset}.dataset' if training.seeds else dataset)
        options = {f'{key}.data_root': str(self.root) for key in datasets}
        if training.seeds:
            options[f'{dataset}.seed_root'] = str(self.root / training.seed_root)
            options[f'{dataset}.seed_dirs'] = list(training.seeds)
        if self.masks is not None:
            options.update({f'{key}.type': 'PascalVOCDataset' for key in datasets})
            options['model.decode_head.num_classes'] = len(self.classes)
        if 'model.backbone.init_cfg' not in training.options:
            weights = str(self.checkpoint('vgg16'))
            for part in ('backbone', 'decode_head'):
                options[f'model.{part}.init_cfg.checkpoint'] = weights
        base = read_config(project_root() / 'configs' / 'shapes' / training.base)
        for i, hook in enumerate(base.custom_hooks):
            if 'gt_dir' in hook:
                options[f'custom_hooks.{i}.gt_dir'] = str(self.root / 'SegmentationClassAug')
        return options | _schedule(epochs)

    def needs(self, training: Training) -> tuple[str, ...]:
        """The jobs that a training has to wait for."""
        return ('images', 'vgg16 classifier', *(source.name for source in training.sources))

    def jobs(self, trainings: Iterable[Training]) -> list[Job]:
        """What has to be made before some trainings.

        The classifier of VGG16 is trained in any case: the segmentation networks start from it.
        """
        sources = list(dict.fromkeys(s for training in trainings for s in training.sources))
        networks = dict.fromkeys(['vgg16', *(s.network for s in sources if s.network)])
        masks = [] if self.masks is None else ['--from-masks', self.masks]
        images = self._job(
            'images',
            *('make_shapes.py', '--out', self.root, '--train', self.train, '--val', self.val),
            *('--seed', self.seed, '--workers', 0, *masks),
            log=self.folder / 'make_shapes.log',
            last=self.root / 'JPEGImages',
            total=self.train + self.val,
        )
        # ResNet38 takes longest.
        classifiers = [self.classifier(network).job() for network in sorted(networks)]
        return [images, *classifiers, *map(self._make_seeds, sources)]

    def classifier(self, network: str) -> TrainingRun:
        """The training of a classifier."""
        options: dict[str, object] = {'randomness.seed': self.seed}
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            options[f'{loader}.dataset.data_root'] = str(self.root)
            if self.masks is not None:
                options[f'{loader}.dataset.classes'] = list(self.classes[1:])
        if self.masks is not None:
            options['model.head.num_classes'] = len(self.classes) - 1
            options['model.data_preprocessor.num_classes'] = len(self.classes) - 1
        return TrainingRun(
            name=f'{network} classifier',
            base=project_root() / 'configs' / 'shapes' / f'{network}_cam.py',
            options=options | _schedule(self.classifier_epochs),
            folder=self.folder / 'cam' / network,
            needs=('images',),
            tested=False,
        )

    def checkpoint(self, network: str) -> Path:
        """The weights of a trained classifier."""
        run = self.classifier(network)
        return run.folder / f'epoch_{run.config.train_cfg.max_epochs}.pth'

    def _make_seeds(self, source: Source) -> Job:
        last = self.root / ('noisy' if source.ratio else 'seeds') / source.folders[-1]
        if source.ratio:
            return self._job(
                source.name,
                *('make_noisy_labels.py', self.root / 'SegmentationClassAug'),
                *('--list', self.root / 'ImageSets' / 'Segmentation' / 'train.txt'),
                *('--out', last.parent, '--ratio', source.ratio, '--draws', NOISE_DRAWS),
                *('--seed', self.seed, '--sizes', *_NOISE_BLOCKS, '--workers', 0),
                log=self.folder / 'make_noisy_labels.log',
                last=last,
                total=self.train,
                needs=('images',),
            )
        network = source.network
        merge = ['--cfg-options', f'seeds.merge={source.merge}'] if source.merge else []
        return self._job(
            source.name,
            *('generate_seeds.py', self.classifier(network).config_path, self.checkpoint(network)),
            *('--out', last.parent, '--cams', self.folder / 'cams', '--workers', 0, *merge),
            log=self.folder / 'cam' / f'{network}_seeds.log',
            last=last,
            total=self.train,
            needs=(f'{network} classifier',),
        )

    def _job(
        self, name: str, tool: str, *arguments, log: Path, last: Path, total: int, needs=()
    ) -> Job:
        """A job whose tool fills folders; the last one's manifest says that it is done."""
        images = name == 'images'
        made = SeedFolder(last, {}, manifest='shapes.json' if images else SEED_MANIFEST)
        return Job(
            name=name,
            commands=[[sys.executable, project_root() / 'tools' / tool, *arguments]],
            log=log,
            done=lambda: made.is_complete,
            needs=needs,
            progress=partial(files_made, last, total, '.jpg' if images else '.png'),
        )


def _schedule(epochs: int | None) -> dict[str, object]:
    """Another number of epochs for a small config."""
    if epochs is None:
        return {}
    return {
        'train_cfg.max_epochs': epochs,
        'train_cfg.val_interval': epochs,
        'param_scheduler.0.total_steps': epochs,
    }
