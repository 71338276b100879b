import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmws.visualization.plots import right_weight_curves, seed_score_plot

BLUE, ORANGE = (np.round(255 * np.array(to_rgb(name))) for name in ('C0', 'C1'))


def has(picture, colour):
    return (np.abs(picture.astype(int) - colour).max(-1) < 4).any()


def shares(*values):
    return [
        {'step': 50 * i, 'right_weight/classes': v, 'right_weight/classes_plain': 0.6}
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize('count', [1, 2, 3])
def test_a_panel_for_each_group(count):
    groups = {
        f'group {i}': {'WST': shares(0.5, 0.7), 'late': shares(0.6, 0.8)} for i in range(count)
    }
    picture = right_weight_curves(groups)
    assert has(picture, BLUE) and has(picture, ORANGE)
    assert (picture[:, [0, -1]] == 255).all()


def test_a_training_that_was_not_measured_has_no_line():
    logs = {'WST': [{'step': 3, 'loss': 1.0}], 'late': shares(0.5, 0.6)}
    picture = right_weight_curves({'a': logs})
    assert has(picture, ORANGE) and not has(picture, BLUE)


def test_seeds_and_sweep():
    scores = dict(names='ab', miou=[0.4, 0.5], agreement=np.array([[1, 0.8], [0.8, 1]]))
    plain = seed_score_plot(**scores, references={'vote': 0.55}, sweep={})
    more = seed_score_plot(**scores, references={'vote': 0.55}, sweep={'x': ([0.1], [0.3])})
    bar = (0x4C, 0x78, 0xA8)
    assert has(plain, bar) and has(more, bar) and more.shape[1] > plain.shape[1]
    assert has(more, BLUE) and not has(plain, BLUE)
