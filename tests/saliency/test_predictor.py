from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmws.saliency.predictor import load_dss

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


def test_loads_all_weights_or_says_what_is_wrong(build_dss, tmp_path):
    source = build_dss()
    cfg = Config.fromfile(CONFIGS / 'saliency/dss_shapes.py')
    cfg.model.backbone.update(base_channels=4, batch_norm=False)
    cfg.model.decode_head.update(in_channels=[4, 8, 16, 32, 32, 32], base_channels=2, norm_cfg=None)
    state = source.state_dict()
    torch.save(dict(state_dict=state), tmp_path / 'dss.pth')
    loaded = load_dss(cfg, tmp_path / 'dss.pth')
    assert not loaded.training
    assert all(torch.equal(value, state[name]) for name, value in loaded.state_dict().items())

    torch.save({'backbone.conv1.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match='other.pth is a checkpoint of another .* than DSS'):
        load_dss(cfg, tmp_path / 'other.pth')


@pytest.mark.parametrize('kind', ['EncoderDecoder', None])
def test_a_config_of_another_model(tmp_path, kind):
    torch.save({'x': torch.zeros(1)}, tmp_path / 'dss.pth')
    with pytest.raises(ValueError, match='which gives no saliency maps. Take a config'):
        load_dss(Config(dict(model=dict(type=kind))), tmp_path / 'dss.pth')
