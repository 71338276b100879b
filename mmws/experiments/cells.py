"""The paper's tables as data: which network trained on which labels stands in which cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

NOISE_DRAWS = 12
CLASSIFIERS = ('vgg16', 'res38')
_OF_PHOTOS = ('lite0', 'lite2')
_SCALES = ('x1.0', 'x0.75', 'x0.5')
_LOSS = 'model.decode_head.loss_decode.'
_UNTRAINED = {f'model.{part}.init_cfg': None for part in ('backbone', 'decode_head')}


def _seeds(networks: Sequence[str], types: Sequence[str], tags: Sequence[str]) -> tuple[str, ...]:
    return tuple(f'{net}_{kind}_{tag}' for net, kind, tag in product(networks, types, tags))


class Source(NamedTuple):
    """One run of a command that makes seed folders.

    Attributes:
        name: What to call it.
        folders: The seed folders it makes, the last one last.
        network: The classifier whose CAMs become seeds; empty for noise.
        merge: ``'max'`` or ``'mean'`` of the CAMs of three scales, in place of each alone.
        ratio: Of noise that is drawn on the masks.
        options: Of ``tools/make_noisy_labels.py``.
    """

    name: str
    folders: tuple[str, ...]
    network: str = ''
    merge: str = ''
    ratio: float = 0.0
    options: tuple[str, ...] = ()


def _of_classifier(network: str, tags: Sequence[str] = _SCALES, merge: str = '') -> Source:
    name = f'{network} seeds' + (f' ({merge})' if merge else '')
    return Source(name, _seeds([network], ('threshold', 'crf'), tags), network, merge)


def _of_noise(ratio: float, kind: str = 'noise', *options: str) -> Source:
    folders = (f'{kind}{ratio}_{draw:02d}' for draw in range(NOISE_DRAWS))
    name = ('--name', f'{kind}{ratio}') if options else ()
    return Source(f'{kind} {ratio}', tuple(folders), ratio=ratio, options=(*options, *name))


NOISES = {ratio: _of_noise(ratio) for ratio in (0.1, 0.2, 0.3)}  # of Table 1
# Labels are lost and added; each draw for itself, and all draws nearly alike.
_BOTH_WAYS = _of_noise(0.3, 'both', '--both-ways')
_BAD = _of_noise(0.5, 'bad', '--both-ways')
_ALIKE = _of_noise(0.5, 'alike', '--both-ways', '--shared', '0.9')
SOURCES = {
    folder: source
    for source in (
        *map(_of_classifier, (*CLASSIFIERS, *_OF_PHOTOS)),
        *(
            _of_classifier(network, [merge], merge)
            for network in ('vgg16', 'lite0')
            for merge in ('max', 'mean')
        ),
        *NOISES.values(),
        _BOTH_WAYS,
        _BAD,
        _ALIKE,
    )
    for folder in source.folders
}


@dataclass(frozen=True)
class Training:
    """A segmentation network and the labels it learns from.

    Attributes:
        name: Unique; the folder of its results.
        seeds: Seed folders, keys of :data:`SOURCES`; none: the masks.
        network: ``'vgg16'``, ``'r101'`` or, on photographs, ``'lite0'``.
        options: Of the config, by their dotted names.
    """

    name: str
    seeds: tuple[str, ...] = ()
    network: str = 'vgg16'
    options: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def base(self) -> str:
        """The config that it is a variation of, in the folder that its data name."""
        return f'deeplabv2_{self.network}_{"12seeds" if self.seeds else "gt"}.py'

    @property
    def sources(self) -> list[Source]:
        """What makes its seeds."""
        return list(dict.fromkeys(SOURCES[seed] for seed in self.seeds))

    @property
    def seed_folder(self) -> str:
        """The folder that its seed folders are in."""
        return 'noisy' if self.seeds and self.sources[0].ratio else 'seeds'

    def balanced(self) -> Training:
        """With a prediction that is balanced by class to select the seeds."""
        return replace(
            self, name=f'{self.name}_balanced', options={**self.options, _LOSS + 'balance': 1.0}
        )

    def by(self, rule: str) -> Training:
        """With another rule that weighs the seeds: ``'plain'`` (Eq. 4), ``'vote'``, ..."""
        options = {**self.options, _LOSS + 'rule': rule}
        return replace(self, name=f'{self.name}_{rule}', options=options)

    def on_r101(self) -> Training:
        """On ResNet101."""
        return replace(self, name=f'r101_{self.name}', network='r101')

    def from_nothing(self) -> Training:
        """Without pretrained weights."""
        return replace(self, name=f'scratch_{self.name}', options={**self.options, **_UNTRAINED})


class Cell(NamedTuple):
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


class Table(NamedTuple):
    """A table of the paper, with the baselines that a reader will ask for.

    Attributes:
        title: What it shows.
        cells: The paper's cells, then those that we add.
        singles: Trainings with one seed each; their best and their mean become two rows.
        data: The only kind of data that it is for, ``'voc12'`` or ``'shapes'``; None: all.
        paper_test: What the paper reports for VOC 2012 test, where the predictions of the first
            cell go to the test server.
        right_weight: Plot, row by row, the weight of right labels over the training.
    """

    title: str
    cells: tuple[Cell, ...]
    singles: tuple[Training, ...] = ()
    data: str | None = None
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
    return Training(name, _seeds(networks, types, tags))


def _noisy(ratio: float, labels: int) -> Training:
    """Learn some of the noisy labels; one or two by the plain average, as the pilot does."""
    name = f'noise{ratio}_{labels}label' + ('s' if labels > 1 else '')
    training = Training(name, NOISES[ratio].folders[:labels])
    return training if labels > 2 else replace(training.by('plain'), name=name)


MASKS = Training('gt')
TWELVE = Training('12seeds', _seeds(CLASSIFIERS, ('threshold', 'crf'), _SCALES))
SINGLES = tuple(_of_cams([net], kind) for net, kind in product(CLASSIFIERS, ('threshold', 'crf')))
_TYPES = {'threshold': 'threshold', 'CRF': 'crf', 'both types': 'both'}
_BASELINES = (
    Cell(TWELVE.by('plain'), 'plain average of the twelve', 'mIoU'),
    Cell(TWELVE.by('vote'), 'majority vote of the twelve as one label', 'mIoU'),
    Cell(MASKS, 'ground truth', 'mIoU'),
)


def _pilot() -> Iterator[Cell]:
    # Section 3 of the paper comes before WST: several labels have their plain average.
    yield Cell(MASKS, 'noise 0 (ground truth)', 'one label', 72.1)
    for ratio, papers in zip(NOISES, [(70.6, 71.0), (68.1, 69.0), (64.8, 66.2)], strict=True):
        for labels, column, paper in zip((1, 2), ('one label', 'two labels'), papers, strict=True):
            yield Cell(_noisy(ratio, labels), f'noise {ratio}', column, paper)
    twelve = _noisy(0.3, 12)
    yield Cell(twelve.by('plain'), 'noise 0.3', 'twelve, plain average')
    yield Cell(twelve, 'noise 0.3', 'twelve, WST')
    yield Cell(twelve.by('vote'), 'noise 0.3', 'majority vote of twelve')


def _grid(
    rows: Mapping[str, Sequence[Training]], columns: Sequence[str], paper: Sequence[Sequence]
) -> tuple[Cell, ...]:
    return tuple(
        Cell(training, row, column, figure)
        for (row, trainings), figures in zip(rows.items(), paper, strict=True)
        for training, column, figure in zip(trainings, columns, figures, strict=True)
    )


_BY_TYPE = _grid(
    {
        row: [_of_cams(networks, kind) for kind in _TYPES.values()]
        for row, networks in (('VGG16', ['vgg16']), ('ResNet38', ['res38']), ('both', CLASSIFIERS))
    },
    list(_TYPES),
    [(61.4, 62.9, 63.8), (62.3, 62.6, 63.5), (63.5, 63.1, 64.2)],
)
_VGG16_BOTH = (_of_cams(['vgg16'], 'both'), _of_cams(['vgg16'], 'both', '3scales'))
_FROM = {
    'CAM seeds, starting from the classifier': TWELVE,
    'CAM seeds, from nothing': TWELVE.from_nothing(),
    'noise 0.3, starting from the classifier': _noisy(0.3, 12),
    'noise 0.3, from nothing': _noisy(0.3, 12).from_nothing(),
}

# What the seeds are, and the best one of them.
_SITUATIONS = {
    'CAM seeds': (TWELVE, SINGLES[1]),
    'objects missed': (_noisy(0.3, 12), _noisy(0.3, 1)),
    'errors both ways': (
        Training('both', _BOTH_WAYS.folders),
        Training('both_single', _BOTH_WAYS.folders[:1]),
    ),
    'eight alike, three good': (
        Training('alike', (*_BOTH_WAYS.folders[:3], *_ALIKE.folders[:8])),
        Training('both_single', _BOTH_WAYS.folders[:1]),
    ),
    'one good, eleven bad': (
        Training('one_good', (_BOTH_WAYS.folders[0], *_BAD.folders[:11])),
        Training('both_single', _BOTH_WAYS.folders[:1]),
    ),
}
_SITUATIONS |= {
    f'{name}, from nothing': tuple(training.from_nothing() for training in trainings)
    for name, trainings in list(_SITUATIONS.items())[:2]
}
_RULES = ('em', 'crowdlab', 'confusion', 'adele')

TABLES = {
    'table1': Table('Noisy labels, one against several', tuple(_pilot())),
    'table2': Table('Types of seeds', (*_BY_TYPE[:6], *_BASELINES), singles=SINGLES),
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
        'Architectures of the CAM classifiers', (*_BY_TYPE, *_BASELINES), singles=SINGLES
    ),
    'table5': Table(
        'Weighted selective training',
        (
            *_grid(
                {
                    row: [training.by('plain'), training]
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
        paper_test='64.2 (server id QR50FW)',
    ),
    'table7': Table(
        'ResNet101',
        (
            Cell(TWELVE.on_r101(), 'twelve seeds, WST', 'mIoU', 67.2),
            *(cell._replace(training=cell.training.on_r101()) for cell in _BASELINES),
        ),
        singles=tuple(single.on_r101() for single in SINGLES),
        data='voc12',
        paper_test='66.7 (server id ZHCI9F)',
    ),
    'safety': Table(
        'When weighted selective training is safe',
        _grid(
            {row: [t.by('plain'), t, t.balanced()] for row, t in _FROM.items()},
            ['plain average', 'WST', 'balanced'],
            [(None,) * 3] * len(_FROM),
        ),
        data='shapes',
        right_weight=True,
    ),
    'rules': Table(
        'Which seeds to believe',
        _grid(
            {
                name: [
                    single,
                    seeds.by('vote'),
                    seeds.by('plain'),
                    seeds,
                    seeds.balanced(),
                    *map(seeds.by, _RULES),
                ]
                for name, (seeds, single) in _SITUATIONS.items()
            },
            ['best single', 'vote', 'plain', 'wst', 'wst, balanced', *_RULES],
            [(None,) * (5 + len(_RULES))] * len(_SITUATIONS),
        ),
    ),
}
TABLES['pilot'] = TABLES['table1']  # the paper's section 3 calls it so
