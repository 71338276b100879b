import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

pytest.importorskip('onnx', reason='the extra `onnx` is not installed')
pytest.importorskip('onnxruntime', reason='the extra `onnx` is not installed')

FOUR_BANDS = (
    'model.backbone.in_channels=4',
    'model.data_preprocessor.mean=[1,2,3,4]',
    'model.data_preprocessor.std=[1,1,1,1]',
)


@pytest.fixture
def run(tool, tiny_config_file, tmp_path):
    """Export weights that fit the config with options."""

    def run(*options, bands=3):
        cfg = Config.fromfile(tiny_config_file)
        cfg.model.backbone.in_channels = bands
        with DefaultScope.overwrite_default_scope('mmseg'):
            weights = MODELS.build(cfg.model).state_dict()
        torch.save(dict(state_dict=weights, meta=dict()), tmp_path / 'epoch_1.pth')
        (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
        options = ('--out', 'model.onnx', '--size', 32, 48, *options)
        return tool('export_onnx.py', tiny_config_file, tmp_path, *options, cwd=tmp_path)

    return run


@pytest.mark.parametrize('bands, options', [(3, ()), (4, ('--cfg-options', *FOUR_BANDS))])
def test_exports_and_compares(run, tmp_path, bands, options):
    if bands > 3 and hasattr(SegDataPreProcessor(), '_channel_conversion'):
        pytest.skip("OneDL's preprocessor takes one or three channels")
    done = run(*options, bands=bands)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f'2 x {bands} x 32 x 48: largest difference' in done.stdout
    assert f'1 x {bands} x 96 x 67: largest difference' in done.stdout
    assert done.stdout.endswith('model.onnx agrees with the model\n')
    assert (tmp_path / 'model.onnx').is_file()


def test_refuses_a_difference(run):
    done = run('--tolerance', -1)
    assert done.returncode == 1 and 'more than the tolerance' in done.stderr
