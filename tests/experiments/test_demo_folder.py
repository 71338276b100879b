"""The demo's folder is checked before anything runs; tests/tools/test_demo.py runs it."""

import pytest

from mmws.experiments.cells import MASKS
from mmws.experiments.demo import Demo
from mmws.experiments.small_data import SmallData


def test_a_demo_of_other_settings_is_refused_whatever_its_seed(tmp_path):
    data = SmallData(tmp_path / 'demo', train=4, val=2, seed=3)
    trial = Demo(data, epochs=1)
    trial.check()
    next(iter(trial.run(MASKS).job().steps()))  # it has begun
    trial.check()
    with pytest.raises(FileExistsError, match='max_epochs is 1 there and 4 here'):
        Demo(data).check()
