import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mmws.files.label_map import voc_palette
from mmws.visualization.colours import colour_labels, colour_weights, overlay_cam
from mmws.visualization.picture_grid import picture_grid

VOC = dict(classes=['pottedplant'] * 21, palette=voc_palette()[:21])
LABELS = np.arange(21, dtype=np.uint8).repeat(40).reshape(21, 40)
LONG = 'everything_that_annotators_of_the_third_campaign_said_about_it'
RED, GREEN, PALE = (255, 0, 0), (0, 200, 0), (224, 224, 192)
PALETTE = [(0, 0, 0), RED, GREEN]


def boxes(figure):
    """Where titles, pictures and the legend are, in pixels: (name, left, bottom, right, top)."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    parts = [('legend', legend) for legend in figure.legends]
    parts += [('title', figure._suptitle)] if figure._suptitle else []
    for axes in figure.axes:
        parts += [(axes.get_title() or 'picture', axes.images[0])]
        parts += [(axes.get_title(), axes.title)] if axes.get_title() else []
    return [(name, *part.get_window_extent(canvas.get_renderer()).extents) for name, part in parts]


@pytest.mark.parametrize('columns', [1, 3, 6])
@pytest.mark.parametrize('name', ['short', LONG, LONG.replace('_', ' ')])
@pytest.mark.parametrize('cell_inches', [1.5, 2.15])
def test_nothing_overlaps_or_leaves_the_sheet(columns, name, cell_inches, monkeypatch):
    rows = [[(name, LABELS)] * columns] * 2
    title = f'frankfurt/frankfurt_000001_{12345:06d}_leftImg8bit; weights: dark 0, bright 0.21'
    monkeypatch.setattr('mmws.visualization.picture_grid.pixels_of', lambda figure: figure)
    figure = picture_grid(rows, **VOC, title=title, cell_inches=cell_inches)
    width, height = figure.bbox.size
    found = boxes(figure)
    assert len(found) == 2 + 4 * columns
    for part, left, bottom, right, top in found:
        assert left >= 0 and bottom >= 0 and right <= width and top <= height, part
    for one, other in itertools.combinations(found, 2):
        apart = one[3] <= other[1] or other[3] <= one[1] or one[4] <= other[2] or other[4] <= one[2]
        assert apart, (one, other)


def test_rows_have_the_height_of_their_pictures_and_titles():
    def height(*rows):
        return picture_grid(rows, ('bg',), [(0, 0, 0)], cell_inches=1.0).shape[0]

    wide, high = np.zeros((20, 40), np.uint8), np.zeros((40, 20), np.uint8)
    assert height([('', wide)], [('', wide)]) - height([('', wide)]) == 50
    assert height([('', wide)], [('', high)]) - height([('', wide)]) == 200
    one_line, two_lines = height([('a', wide)]), height([('a' * 20, wide)])
    assert height([('', wide)]) < one_line < two_lines


def test_labels_weights_and_cams_are_painted():
    painted = colour_labels(np.array([[0, 1, 2, 7, 255]], np.uint8), PALETTE)[0]
    assert painted.tolist() == [list(c) for c in (*PALETTE, (0, 0, 0), PALE)]
    brightness = colour_weights(np.array([[0.0, 0.1, 0.2, 0.4]]), 0.2)[0].astype(int).sum(1)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]
    image = np.full((1, 2, 3), 100, np.uint8)
    (low, high) = overlay_cam(image, np.array([[0.0, 1.0]]))[0].astype(int)
    assert high[0] > high[2] and low[2] > low[0]  # red and blue
