import numpy as np

from mmws.visualization.seed_score_plot import seed_score_plot


def test_draws_seeds_and_sweep():
    agreement = np.array([[1, 0.8], [0.8, 1]])
    plain = seed_score_plot(['a', 'b'], [0.4, 0.5], agreement, references={'vote': 0.55})
    assert plain.dtype == np.uint8 and plain.ndim == 3 and plain.std() > 10
    more = seed_score_plot(['a', 'b'], [0.4, 0.5], agreement, sweep={'x': ([0.1, 0.2], [0.3, 0.4])})
    assert more.shape[1] > plain.shape[1]
