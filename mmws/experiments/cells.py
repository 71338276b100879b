"""What the paper's tables are made of: which config stands in which row and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Of the pilot experiment, Table 1.
NOISE_RATIOS = (0.1, 0.2, 0.3)
NOISE_DRAWS = 12


@dataclass(frozen=True)
class Cell:
    """One figure of a table.

    Attributes:
        config: Name of its file, without ``.py``, in ``configs/tables/<kind of data>``.
        row: Label of its row.
        column: Label of its column.
        paper: What the paper reports, mIoU on VOC 2012 val in percent; None for a cell of ours.
    """

    config: str
    row: str
    column: str
    paper: float | None = None


@dataclass(frozen=True)
class Table:
    """A table of the paper, with the baselines that a reader will ask for.

    Attributes:
        title: What it shows.
        cells: The paper's cells, then those that we add.
        singles: Configs with one seed each; their best and their mean become two rows.
        data: The kind of data that its configs are for; None: there are some for every kind.
        submission: The config whose predictions go to the test server, where it can be.
        paper_test: What the paper reports for VOC 2012 test.
        right_weight: Plot, row by row, the weight of right labels over the training.
    """

    title: str
    cells: tuple[Cell, ...]
    singles: tuple[str, ...] = ()
    data: str | None = None
    submission: str | None = None
    paper_test: str | None = None
    right_weight: bool = False

    def configs(self) -> list[str]:
        """The configs to run, each once."""
        return list(dict.fromkeys([*(cell.config for cell in self.cells), *self.singles]))


def _noise_cells() -> Iterator[Cell]:
    yield Cell('gt', 'noise 0 (ground truth)', 'one label', 72.1)
    for ratio, one, two in zip(NOISE_RATIOS, (70.6, 68.1, 64.8), (71.0, 69.0, 66.2), strict=True):
        yield Cell(f'noise{ratio}_1label', f'noise {ratio}', 'one label', one)
        yield Cell(f'noise{ratio}_2labels', f'noise {ratio}', 'two labels', two)
    yield Cell('noise0.3_12labels_plain', 'noise 0.3', 'twelve, plain average')
    yield Cell('noise0.3_12labels', 'noise 0.3', 'twelve, WST')
    yield Cell('noise0.3_12labels_vote', 'noise 0.3', 'majority vote of twelve')


def _cells(rows: dict[str, str], columns: dict[str, str], figures: list[tuple]) -> list[Cell]:
    """Row by row; the config of a cell is its row's name with its column's ending."""
    return [
        Cell(config + ending, row, column, figure)
        for (row, config), numbers in zip(rows.items(), figures, strict=True)
        for (column, ending), figure in zip(columns.items(), numbers, strict=True)
    ]


_VGG16, _RES38, _BOTH_NETS = 'vgg16', 'res38', 'vgg16-res38'
_TYPES = {'threshold': '_threshold', 'CRF': '_crf', 'both types': '_both'}
_SINGLES = tuple(net + kind for net in (_VGG16, _RES38) for kind in ('_threshold', '_crf'))


def _baselines(prefix: str = '') -> tuple[Cell, ...]:
    """What a table of CAM seeds is read against, beside its single seeds."""
    return (
        Cell(f'{prefix}12seeds_plain', 'plain average of the twelve', 'mIoU'),
        Cell(f'{prefix}12seeds_vote', 'majority vote of the twelve as one label', 'mIoU'),
        Cell(f'{prefix}gt', 'ground truth', 'mIoU'),
    )


TABLES = {
    'table1': Table('Noisy labels, one against several', tuple(_noise_cells())),
    'table2': Table(
        'Types of seeds',
        (
            *_cells(
                {'VGG16': _VGG16, 'ResNet38': _RES38},
                _TYPES,
                [(61.4, 62.9, 63.8), (62.3, 62.6, 63.5)],
            ),
            *_baselines(),
        ),
        singles=_SINGLES,
    ),
    'table3': Table(
        'Scales of the CAMs of VGG16',
        (
            *_cells(
                {name: _VGG16 + ending for name, ending in _TYPES.items()},
                {
                    'one scale': '',
                    'three': '_3scales',
                    'their maximum': '_max',
                    'their mean': '_mean',
                },
                [(61.4, 62.5, 60.2, 61.1), (62.9, 63.5, 62.5, 62.8), (63.8, 64.0, 63.7, 63.9)],
            ),
            *_baselines(),
        ),
        singles=_SINGLES[:2],
    ),
    'table4': Table(
        'Architectures of the CAM classifiers',
        (
            *_cells(
                {'VGG16': _VGG16, 'ResNet38': _RES38, 'both': _BOTH_NETS},
                _TYPES,
                [(61.4, 62.9, 63.8), (62.3, 62.6, 63.5), (63.5, 63.1, 64.2)],
            ),
            *_baselines(),
        ),
        singles=_SINGLES,
    ),
    'table5': Table(
        'Weighted selective training',
        (
            *_cells(
                {
                    'two types': f'{_VGG16}_both',
                    'two types, three scales': f'{_VGG16}_both_3scales',
                    'two types, three scales, two architectures': '12seeds',
                },
                {'without WST': '_plain', 'with WST': ''},
                [(63.9, 63.8), (63.8, 64.0), (63.9, 64.6)],
            ),
            *_baselines()[1:],  # the plain average has a column here
        ),
        singles=_SINGLES,
    ),
    'table6': Table(
        'VGG16',
        (Cell('12seeds', 'twelve seeds, WST', 'mIoU', 64.6), *_baselines()),
        singles=_SINGLES,
        submission='12seeds',
        paper_test='64.2 (server id QR50FW)',
    ),
    'table7': Table(
        'ResNet101',
        (
            Cell('r101_12seeds', 'twelve seeds, WST', 'mIoU', 67.2),
            *_baselines('r101_'),
        ),
        singles=tuple(f'r101_{config}' for config in _SINGLES),
        data='voc12',
        submission='r101_12seeds',
        paper_test='66.7 (server id ZHCI9F)',
    ),
    'safety': Table(
        'When weighted selective training is safe',
        tuple(
            _cells(
                {
                    'CAM seeds, starting from the classifier': '12seeds',
                    'CAM seeds, from nothing': 'scratch_12seeds',
                    'noise 0.3, starting from the classifier': 'noise0.3_12labels',
                    'noise 0.3, from nothing': 'scratch_noise0.3_12labels',
                },
                {
                    'plain average': '_plain',
                    'WST': '',
                    'in the second half': '_late',
                    'balanced': '_balanced',
                },
                [(None,) * 4] * 4,
            )
        ),
        data='shapes',
        right_weight=True,
    ),
}
# The paper's section 3 calls it so.
TABLES['pilot'] = TABLES['table1']
