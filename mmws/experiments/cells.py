"""The paper's tables as data: which network trained on which labels stands in which cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

NOISE_RATIOS = (0.1, 0.2, 0.3)  # of the pilot experiment, Table 1
NOISE_DRAWS = 12
CLASSIFIERS = ('vgg16', 'res38')
_SCALES = ('x1.0', 'x0.75', 'x0.5')


@dataclass(frozen=True)
class Source:
    """One run of a command that makes seed folders.

    Attributes:
        network: The classifier whose CAMs become seeds.
        merge: ``'max'`` or ``'mean'`` of the CAMs of three scales, in place of each alone.
        ratio: Of noise that is drawn on the masks; there is no classifier then.
    """

    network: str = ''
    merge: str = ''
    ratio: float = 0.0

    @property
    def name(self) -> str:
        """What to call it."""
        if self.ratio:
            return f'noise {self.ratio}'
        return f'{self.network} seeds' + (f' ({self.merge})' if self.merge else '')

    @property
    def folders(self) -> list[str]:
        """The seed folders it makes, the last one last."""
        if self.ratio:
            return [f'noise{self.ratio}_{draw:02d}' for draw in range(NOISE_DRAWS)]
        tags = (self.merge,) if self.merge else _SCALES
        return _seeds([self.network], ('threshold', 'crf'), tags)


def _seeds(networks: Sequence[str], types: Sequence[str], tags: Sequence[str]) -> list[str]:
    return [f'{network}_{kind}_{tag}' for network, kind, tag in product(networks, types, tags)]


SOURCES = {
    folder: source
    for source in (
        *(Source(network) for network in CLASSIFIERS),
        *(Source('vgg16', merge) for merge in ('max', 'mean')),
        *(Source(ratio=ratio) for ratio in NOISE_RATIOS),
    )
    for folder in source.folders
}


@dataclass(frozen=True)
class Training:
    """A segmentation network and the labels it learns from.

    Attributes:
        name: Unique; the folder of its results.
        seeds: Seed folders, keys of :data:`SOURCES`; none: the masks.
        vote: Learn the majority vote of the seeds as one label, with the stock segmentor.
        network: ``'vgg16'`` or ``'r101'``.
        options: Of the config, by their dotted names.
    """

    name: str
    seeds: tuple[str, ...] = ()
    vote: bool = False
    network: str = 'vgg16'
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def base(self) -> str:
        """The config that it is a variation of, in ``configs/msws`` or ``configs/shapes``."""
        labels = 'gt' if not self.seeds else '12seeds_vote' if self.vote else '12seeds'
        return f'deeplabv2_{self.network}_{labels}.py'

    @property
    def sources(self) -> list[Source]:
        """What makes its seeds."""
        return list(dict.fromkeys(SOURCES[seed] for seed in self.seeds))

    @property
    def seed_root(self) -> str:
        """The folder that its seed folders are in."""
        return 'noisy' if self.sources[0].ratio else 'seeds'

    def but(self, ending: str, **options) -> Training:
        """The same with another name and other options of the loss."""
        options = {f'model.decode_head.loss_decode.{key}': v for key, v in options.items()}
        return replace(self, name=f'{self.name}_{ending}', options={**self.options, **options})

    def plain(self) -> Training:
        """With the plain average (Eq. 4) instead of WST."""
        return self.but('plain', scale=0.0)

    def balanced(self) -> Training:
        """With a prediction that is balanced by class to select the seeds."""
        return self.but('balanced', balance=1.0)

    def voted(self) -> Training:
        return replace(self, name=f'{self.name}_vote', vote=True)

    def on_r101(self) -> Training:
        return replace(self, name=f'r101_{self.name}', network='r101')

    def from_nothing(self) -> Training:
        """Without pretrained weights."""
        options = {f'model.{part}.init_cfg': None for part in ('backbone', 'decode_head')}
        return replace(self, name=f'scratch_{self.name}', options={**self.options, **options})


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        training: What is trained for it.
        row: Label of its row.
        column: Label of its column.
        paper: What the paper reports, mIoU on VOC 2012 val in percent; None for a cell of ours.
    """

    training: Training
    row: str
    column: str
    paper: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper, with the baselines that a reader will ask for.

    Attributes:
        title: What it shows.
        cells: The paper's cells, then those that we add.
        singles: Trainings with one seed each; their best and their mean become two rows.
        data: The only kind of data that it is for, ``'voc12'`` or ``'shapes'``; None: both.
        submission: The training whose predictions go to the test server.
        paper_test: What the paper reports for VOC 2012 test.
        right_weight: Plot, row by row, the weight of right labels over the training.
    """

    title: str
    cells: tuple[Cell, ...]
    singles: tuple[Training, ...] = ()
    data: str | None = None
    submission: str | None = None
    paper_test: str | None = None
    right_weight: bool = False

    @property
    def trainings(self) -> dict[str, Training]:
        """What has to be trained, by name."""
        every = (*(cell.training for cell in self.cells), *self.singles)
        return {training.name: training for training in every}


def _of_cams(networks: Sequence[str], kind: str, scales: str = 'x1.0') -> Training:
    types = ('threshold', 'crf') if kind == 'both' else (kind,)
    name = f'{"-".join(networks)}_{kind}' + ('' if scales == 'x1.0' else f'_{scales}')
    tags = _SCALES if scales == '3scales' else (scales,)
    return Training(name, tuple(_seeds(networks, types, tags)))


def _of_noise(ratio: float, labels: int) -> Training:
    name = f'noise{ratio}_{labels}label' + ('s' if labels > 1 else '')
    return Training(name, tuple(Source(ratio=ratio).folders[:labels]))


MASKS = Training('gt')
TWELVE = Training('12seeds', tuple(_seeds(CLASSIFIERS, ('threshold', 'crf'), _SCALES)))
SINGLES = tuple(_of_cams([net], kind) for net, kind in product(CLASSIFIERS, ('threshold', 'crf')))
_TYPES = {'threshold': 'threshold', 'CRF': 'crf', 'both types': 'both'}
_NETWORKS = {'VGG16': ['vgg16'], 'ResNet38': ['res38'], 'both': CLASSIFIERS}
_BASELINES = (
    Cell(TWELVE.plain(), 'plain average of the twelve', 'mIoU'),
    Cell(TWELVE.voted(), 'majority vote of the twelve as one label', 'mIoU'),
    Cell(MASKS, 'ground truth', 'mIoU'),
)


def _pilot() -> Iterator[Cell]:
    # Section 3 of the paper comes before WST: several labels have their plain average.
    yield Cell(MASKS, 'noise 0 (ground truth)', 'one label', 72.1)
    for ratio, one, two in zip(NOISE_RATIOS, (70.6, 68.1, 64.8), (71.0, 69.0, 66.2), strict=True):
        for labels, column, paper in ((1, 'one label', one), (2, 'two labels', two)):
            noisy = replace(_of_noise(ratio, labels).plain(), name=_of_noise(ratio, labels).name)
            yield Cell(noisy, f'noise {ratio}', column, paper)
    twelve = _of_noise(0.3, 12)
    yield Cell(twelve.plain(), 'noise 0.3', 'twelve, plain average')
    yield Cell(twelve, 'noise 0.3', 'twelve, WST')
    yield Cell(twelve.voted(), 'noise 0.3', 'majority vote of twelve')


def _grid(
    rows: Mapping[str, Sequence[Training]], columns: Sequence[str], paper: Sequence[Sequence]
) -> tuple[Cell, ...]:
    return tuple(
        Cell(training, row, column, figure)
        for (row, trainings), figures in zip(rows.items(), paper, strict=True)
        for training, column, figure in zip(trainings, columns, figures, strict=True)
    )


_BY_TYPE = {
    row: [_of_cams(networks, kind) for kind in _TYPES.values()]
    for row, networks in _NETWORKS.items()
}
_VGG16_BOTH = (_of_cams(['vgg16'], 'both'), _of_cams(['vgg16'], 'both', '3scales'))
_FROM = {
    'CAM seeds, starting from the classifier': TWELVE,
    'CAM seeds, from nothing': TWELVE.from_nothing(),
    'noise 0.3, starting from the classifier': _of_noise(0.3, 12),
    'noise 0.3, from nothing': _of_noise(0.3, 12).from_nothing(),
}

TABLES = {
    'table1': Table('Noisy labels, one against several', tuple(_pilot())),
    'table2': Table(
        'Types of seeds',
        (
            *_grid(
                {row: _BY_TYPE[row] for row in ('VGG16', 'ResNet38')},
                list(_TYPES),
                [(61.4, 62.9, 63.8), (62.3, 62.6, 63.5)],
            ),
            *_BASELINES,
        ),
        singles=SINGLES,
    ),
    'table3': Table(
        'Scales of the CAMs of VGG16',
        (
            *_grid(
                {
                    row: [_of_cams(['vgg16'], kind, s) for s in ('x1.0', '3scales', 'max', 'mean')]
                    for row, kind in _TYPES.items()
                },
                ['one scale', 'three', 'their maximum', 'their mean'],
                [(61.4, 62.5, 60.2, 61.1), (62.9, 63.5, 62.5, 62.8), (63.8, 64.0, 63.7, 63.9)],
            ),
            *_BASELINES,
        ),
        singles=SINGLES[:2],
    ),
    'table4': Table(
        'Architectures of the CAM classifiers',
        (
            *_grid(
                _BY_TYPE,
                list(_TYPES),
                [(61.4, 62.9, 63.8), (62.3, 62.6, 63.5), (63.5, 63.1, 64.2)],
            ),
            *_BASELINES,
        ),
        singles=SINGLES,
    ),
    'table5': Table(
        'Weighted selective training',
        (
            *_grid(
                {
                    row: [training.plain(), training]
                    for row, training in (
                        ('two types', _VGG16_BOTH[0]),
                        ('two types, three scales', _VGG16_BOTH[1]),
                        ('two types, three scales, two architectures', TWELVE),
                    )
                },
                ['without WST', 'with WST'],
                [(63.9, 63.8), (63.8, 64.0), (63.9, 64.6)],
            ),
            *_BASELINES[1:],  # the plain average has a column here
        ),
        singles=SINGLES,
    ),
    'table6': Table(
        'VGG16',
        (Cell(TWELVE, 'twelve seeds, WST', 'mIoU', 64.6), *_BASELINES),
        singles=SINGLES,
        submission='12seeds',
        paper_test='64.2 (server id QR50FW)',
    ),
    'table7': Table(
        'ResNet101',
        (
            Cell(TWELVE.on_r101(), 'twelve seeds, WST', 'mIoU', 67.2),
            *(replace(cell, training=cell.training.on_r101()) for cell in _BASELINES),
        ),
        singles=tuple(single.on_r101() for single in SINGLES),
        data='voc12',
        submission='r101_12seeds',
        paper_test='66.7 (server id ZHCI9F)',
    ),
    'safety': Table(
        'When weighted selective training is safe',
        _grid(
            {row: [t.plain(), t, t.balanced()] for row, t in _FROM.items()},
            ['plain average', 'WST', 'balanced'],
            [(None,) * 3] * 4,
        ),
        data='shapes',
        right_weight=True,
    ),
}
TABLES['pilot'] = TABLES['table1']  # the paper's section 3 calls it so
