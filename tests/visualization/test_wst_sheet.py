import sys

import numpy as np

from mmws.files.label_map import UNKNOWN
from mmws.visualization import wst_sheet
from mmws.visualization.colours import colour_labels


def test_what_a_seed_does_not_know_is_drawn_as_unknown_below_it(monkeypatch):
    drawn = {}

    def keep(rows, *_, **__):
        drawn.update(dict(rows[2]))

    # The function hides its module from a dotted name.
    monkeypatch.setattr(sys.modules[wst_sheet.__module__], 'picture_grid', keep)
    seed = np.array([[0, 1, UNKNOWN]], np.uint8)
    palette = [[0, 0, 0], [10, 20, 30]]
    weights = np.full((1, 1, 3), 0.5, np.float32)
    wst_sheet({'image': seed}, {'a': seed}, weights, ['background', 'x'], palette, title='')
    pale = colour_labels(seed, palette)[0, 2]
    below = drawn['weight of a'][0]
    assert (below[2] == pale).all()
    assert (below[0] == below[1]).all() and (below[0] != pale).any()
