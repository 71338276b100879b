import csv

import cv2
import numpy as np
import pytest

from mmws.experiments.cells import Cell, Table, Training
from mmws.experiments.report import csv_text, markdown, plot, single_baselines

TABLE = Table(
    'Types',
    (
        Cell(Training('a'), 'first', 'one', 60.0),
        Cell(Training('b'), 'first', 'two', 61.5),
        Cell(Training('c'), 'ours', 'two'),
    ),
    singles=(Training('a'), Training('d')),
)
RESULTS = {
    name: [dict(mIoU=value - 1, mIoU_crf=value) for value in values]
    for name, values in {'a': [50.0, 52.0], 'b': [53.25], 'd': [40.0, 44.0, 99.0]}.items()
}


def test_markdown_has_ours_and_the_papers_figures_and_empty_cells():
    lines = markdown(TABLE, RESULTS).splitlines()
    assert lines[0] == '|  | one | two |'
    assert lines[2] == '| first | 51.0 ± 1.4 [60.0] | 53.2 [61.5] |'
    assert lines[3] == '| ours |  |  |'


def test_the_best_single_seed_is_the_best_on_average_and_only_whole_repeats_count():
    assert single_baselines(TABLE, RESULTS) == {
        'best single seed (a)': [50.0, 52.0],
        'mean of the 2 single seeds': [45.0, 48.0],
    }
    assert single_baselines(TABLE, {'a': [dict(mIoU=1.0)]}) == {}


def test_csv_has_a_line_a_repeat_with_and_without_the_crf():
    rows = list(csv.DictReader(csv_text(TABLE, RESULTS).splitlines()))
    assert len(rows) == 2 + 1 + 3
    assert rows[1] == dict(
        **dict(row='first', column='one', config='a', repeat='1', paper='60.0'),
        **dict(mIoU='52.0', mIoU_without_crf='51.0'),
    )
    assert [row['config'] for row in rows if row['row'] == 'single seed'] == ['d'] * 3


@pytest.mark.parametrize('results', [RESULTS, {}])
def test_the_plot_is_a_picture_even_without_results(results):
    picture = cv2.imdecode(np.frombuffer(plot(TABLE, results, 'Types'), np.uint8), 1)
    assert picture.std() > 5
