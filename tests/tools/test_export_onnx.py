import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

pytest.importorskip('onnx', reason='the extra `onnx` is not installed')
pytest.importorskip('onnxruntime', reason='the extra `onnx` is not installed')


@pytest.fixture(scope='module')
def weights(tiny_config_file):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(tiny_config_file).model).state_dict()


def test_exports_and_compares(tool, tiny_config_file, weights, tmp_path):
    torch.save(dict(state_dict=weights, meta=dict()), tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    options = ['--out', 'model.onnx', '--size', 32, 48]
    done = tool('export_onnx.py', tiny_config_file, tmp_path, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '2 x 3 x 32 x 48: largest difference' in done.stdout
    assert '1 x 3 x 96 x 67: largest difference' in done.stdout
    assert done.stdout.endswith('model.onnx agrees with the model\n')
    assert (tmp_path / 'model.onnx').is_file()

    options += ['--tolerance', -1]
    done = tool('export_onnx.py', tiny_config_file, tmp_path, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert 'more than the tolerance' in done.stderr


def test_refuses_a_checkpoint_of_another_model(tool, tiny_config_file, weights, tmp_path):
    others = {name: value for name, value in weights.items() if 'decode_head' not in name}
    torch.save(dict(state_dict=others, meta=dict()), tmp_path / 'other.pth')
    options = ['other.pth', '--out', 'model.onnx']
    done = tool('export_onnx.py', tiny_config_file, *options, cwd=tmp_path)
    assert done.returncode == 1
    assert 'missing keys in source state_dict: decode_head' in done.stderr
    assert not (tmp_path / 'model.onnx').exists()
