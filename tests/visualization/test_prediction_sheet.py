import numpy as np
import pytest

from mmws.visualization import colour_labels, prediction_sheet

PALETTE = [(0, 0, 0), (255, 0, 0), (0, 200, 0)]


def test_labels_get_their_colours_and_unknown_its_own():
    painted = colour_labels(np.array([[0, 1], [2, 255]], np.uint8), PALETTE)
    np.testing.assert_array_equal(painted[0], [(0, 0, 0), (255, 0, 0)])
    np.testing.assert_array_equal(painted[1, 0], (0, 200, 0))
    assert painted[1, 1].tolist() not in [list(c) for c in PALETTE]


def test_a_sheet_shows_every_cell_and_only_the_classes_that_occur():
    images = [np.full((20, 20, 3), 90, np.uint8)] * 2
    labels = [np.full((20, 20), 1, np.uint8)] * 2
    sheet = prediction_sheet({'image': images, 'model': labels}, ('bg', 'a', 'b'), PALETTE)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3
    red = (sheet == (255, 0, 0)).all(-1).mean()
    assert 0.25 < red < 0.5
    assert not (sheet == (0, 200, 0)).all(-1).any()


def test_a_row_is_as_high_as_its_image():
    def height(*sizes):
        columns = {name: [np.zeros(size, np.uint8) for size in sizes] for name in 'ab'}
        return prediction_sheet(columns, ('bg',), PALETTE, cell_inches=1.0).shape[0]

    assert height((20, 40), (20, 40)) - height((20, 40)) == 50  # at 100 dots per inch
    assert height((20, 40), (40, 20)) - height((20, 40)) == 200


def test_a_long_legend_stays_inside():
    labels = np.arange(21, dtype=np.uint8).reshape(3, 7)
    names = ['pottedplant'] * 21
    palette = [(10 * i, 0, 99) for i in range(21)]
    sheet = prediction_sheet({'a': [labels], 'b': [labels]}, names, palette, cell_inches=1.5)
    assert (sheet[:, [0, -1]] == 255).all()
    patches = sheet[-410:-5]
    assert all((patches == colour).all(-1).any() for colour in palette)


def test_columns_of_different_length():
    with pytest.raises(ValueError, match="equally long.*'a': 1"):
        prediction_sheet({'a': [np.zeros((2, 2), np.uint8)], 'b': []}, ('x',), PALETTE)
