from itertools import product

import numpy as np
import pytest
import torch

from mmws.seeds.permutohedral import build_lattice, normalized_lattice


def filter_by_definition(features, values):
    """Adams et al. 2010, vertex by vertex in float64: features (N, d), values (N, C)."""
    d = features.shape[1]
    j = np.arange(1, d + 1)
    scaled = features * np.sqrt(2 / 3) * (d + 1) / np.sqrt(j * (j + 1))
    basis = np.stack([np.concatenate([np.ones(i), [-i], np.zeros(d - i)]) for i in j])
    corners, table = [], {}
    for position, value in zip(scaled @ basis, values, strict=True):
        simplex = []
        for remainder in range(d + 1):  # its vertices: the nearest one of each remainder
            low = remainder + (d + 1) * np.floor((position - remainder) / (d + 1))
            near = low + (d + 1) * np.array(list(product((0, 1), repeat=d + 1)))
            near = near[near.sum(1) == 0]
            simplex.append(near[((near - position) ** 2).sum(1).argmin()])
        equations = np.concatenate([np.stack(simplex, 1), np.ones((1, d + 1))])
        weights = np.linalg.lstsq(equations, np.append(position, 1), rcond=None)[0]
        corners.append([(tuple(vertex), w) for vertex, w in zip(simplex, weights, strict=True)])
        for vertex, weight in corners[-1]:
            table[vertex] = table.get(vertex, 0) + weight * value
    for step in (d + 1) * np.eye(d + 1) - 1:
        around = {v: (tuple(v + step), tuple(v - step)) for v in table}
        table = {v: table[v] + sum(table.get(n, 0) for n in around[v]) / 2 for v in table}
    return np.array([sum(w * table[vertex] for vertex, w in simplex) for simplex in corners])


@pytest.mark.parametrize('d, spread', [(1, 3), (2, 4), (3, 1), (5, 0.7)])
def test_filters_as_defined(d, spread):
    rng = np.random.default_rng(d)
    features, values = spread * rng.normal(size=(40, d)), rng.normal(size=(40, 3))
    expected = filter_by_definition(features, values)
    lattice = build_lattice(torch.from_numpy(features.T).float())
    found = lattice.slice @ lattice.blur(torch.from_numpy(values).float())
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(expected, values, atol=0.1)  # points do meet


@pytest.mark.parametrize('reach', [0.1, 3, 1e6])
def test_weights_of_a_point_sum_to_one(reach):
    points = 1000 * torch.rand(5, 203, generator=torch.Generator().manual_seed(0))
    weights = build_lattice(points / reach).slice.weights
    assert weights.shape == (203, 6) and (weights > -1e-2).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(203), atol=1e-2, rtol=0)


def test_points_far_apart_keep_their_values_and_equal_ones_share_them():
    # Coordinates of +-1e5 in five dimensions: their keys do not fit into 63 bits.
    points = 1e4 * torch.eye(5).repeat_interleave(4, 1) - 1e4 * torch.eye(5)[3:4].T
    values = torch.arange(20.0).unsqueeze(1)
    lattice = normalized_lattice(points, [0.1] * 5)
    found = (lattice.slice @ lattice.blur(values)).view(5, 4)
    # A normalized filter of four equal points is their mean.
    torch.testing.assert_close(found, values.view(5, 4).mean(1, keepdim=True).expand(5, 4))


def test_is_linear_and_multiplied_by_the_factor():
    rng = torch.Generator().manual_seed(0)
    points, values = 9 * torch.rand(2, 50, generator=rng), torch.rand(50, 2, generator=rng)
    one, three = (normalized_lattice(points, [2, 3], factor) for factor in (1, 3))
    both = one.slice @ one.blur(values)
    total = one.slice @ one.blur(values.sum(1, keepdim=True))
    torch.testing.assert_close(both.sum(1, keepdim=True), total)
    torch.testing.assert_close(three.slice @ three.blur(values), 3 * both)
