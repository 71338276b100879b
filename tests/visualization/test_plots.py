import numpy as np
import pytest
from matplotlib.colors import to_rgb

from mmws.visualization.plots import right_weight_curves

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
