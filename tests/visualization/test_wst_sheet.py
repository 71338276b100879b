import numpy as np
import pytest

from mmws.visualization import colour_weights, wst_sheet

PALETTE = [[0, 0, 0], [200, 0, 0]]


def test_weights_go_from_dark_to_bright():
    colours = colour_weights(np.array([[0.0, 0.1, 0.2, 0.4]]), 0.2)[0].astype(int)
    brightness = colours.sum(1)
    assert brightness[0] < brightness[1] < brightness[2] == brightness[3]


def test_twelve_seeds_make_a_sheet_with_every_map_and_its_weights():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    seeds = {f's{k}': rng.integers(0, 2, (20, 30)).astype(np.uint8) for k in range(12)}
    weights = {name: np.full((20, 30), 1 / 12) for name in seeds}
    args = ({'online prediction': seeds['s0']}, seeds, weights, ['background', 'cat'], PALETTE)
    sheet = wst_sheet(image, *args, title='im0')
    # An image row and two rows for each six seeds.
    few = {name: seeds[name] for name in list(seeds)[:6]}
    half = wst_sheet(image, args[0], few, {n: weights[n] for n in few}, *args[3:])
    assert sheet.shape[1] == half.shape[1]
    assert sheet.shape[0] > 1.5 * half.shape[0]


def test_a_seed_without_weights_is_refused():
    labels = np.zeros((4, 4), np.uint8)
    image = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match='each seed needs its weights'):
        wst_sheet(image, {'p': labels}, {'a': labels}, {'b': labels / 1.0}, ['x'], PALETTE)
