import numpy as np
import pytest

from mmws.visualization.seed_sheet import overlay_cam, seed_sheet

PALETTE = [(0, 0, 0), (255, 0, 0)]


def test_overlay_is_redder_where_the_cam_is_high():
    image = np.full((1, 2, 3), 100, np.uint8)
    painted = overlay_cam(image, np.array([[0.0, 1.0]])).astype(int)
    assert painted.shape == (1, 2, 3)
    assert painted[0, 1, 0] > painted[0, 1, 2] and painted[0, 0, 2] > painted[0, 0, 0]


def test_a_sheet_holds_the_colours_of_its_labels():
    image = np.full((40, 60, 3), (0, 255, 255), np.uint8)
    seed = np.ones((40, 60), np.uint8)
    seed[:, :30] = 255
    rows = [{'image': image}, {'a_x1.0': seed, 'a_x0.5': seed}]
    sheet = seed_sheet(rows, ['background', 'thing'], PALETTE, title='x')
    colours = {tuple(colour) for colour in sheet.reshape(-1, 3).tolist()}
    assert {(0, 255, 255), (255, 0, 0), (224, 224, 192)} <= colours


def test_nothing_to_draw():
    with pytest.raises(ValueError, match='at least one picture'):
        seed_sheet([], ['background'], PALETTE)
