import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

from mmws.models.onnx_export import export_onnx, onnx_difference

onnx = pytest.importorskip('onnx', reason='the extra `onnx` is not installed')
onnxruntime = pytest.importorskip('onnxruntime', reason='the extra `onnx` is not installed')

REPOSITORY = Path(__file__).resolve().parents[2]


def small(name):
    """The network of a config with its own layers, strides and dilations, but few channels."""
    cfg = Config.fromfile(REPOSITORY / f'configs/msws/{name}.py').model
    if cfg.backbone.type == 'ResNet':
        cfg.backbone.update(depth=50, base_channels=4, stem_channels=4, init_cfg=None)
        cfg.decode_head.in_channels = 128
    else:
        cfg.backbone.update(base_channels=4, init_cfg=None)
        cfg.decode_head.update(in_channels=32, channels=16, init_cfg=None)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg)
    model.init_weights()
    with torch.no_grad():
        logits = model.encode_decode(torch.randn(1, 3, 65, 81), [dict(img_shape=(65, 81))])
    # Else agreement would mean little.
    assert logits.std(dim=(2, 3)).mean() > 0.05 * logits.abs().max()
    return model


def export(model, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the tracer, about Python numbers and itself
        export_onnx(model, path, **options)


@pytest.mark.parametrize(
    'name', ['deeplabv2_vgg16_12seeds', 'deeplabv2-aspp_vgg16_12seeds', 'deeplabv2_r101_12seeds']
)
def test_file_says_what_the_model_says_at_any_size(name, tmp_path):
    model, path = small(name), tmp_path / 'model.onnx'
    export(model, path, size=(65, 81))
    for shape in ((1, 3, 65, 81), (2, 3, 65, 81), (1, 3, 40, 70), (3, 3, 129, 97)):
        images = torch.randn(shape)
        difference, changed = onnx_difference(model, path, images)
        assert difference < 1e-5
        assert changed < 1e-3
    assert [file.name for file in tmp_path.iterdir()] == ['model.onnx']


class OneDLPreProcessor(SegDataPreProcessor):
    """Keeps the colour order where OneDL's fork of mmsegmentation does."""

    def __init__(self, **options):
        super().__init__(**options)
        if 'channel_conversion' in self.__dict__:  # not on the fork itself
            self._channel_conversion = self.__dict__.pop('channel_conversion')

    def forward(self, data, training=False):
        self.channel_conversion = self._channel_conversion
        result = super().forward(data, training)
        del self.channel_conversion
        return result


@pytest.mark.parametrize('host', [SegDataPreProcessor, OneDLPreProcessor])
@pytest.mark.parametrize('bands, order', [(3, 'RGB'), (3, 'BGR'), (4, 'as loaded')])
def test_output_is_the_prediction_of_the_segmentor(host, bands, order, tiny_cfg, tmp_path):
    """Raw image, the file's own metadata, numpy: the classes that mmseg predicts."""
    if bands > 3 and hasattr(SegDataPreProcessor(), '_channel_conversion'):
        pytest.skip("OneDL's preprocessor takes one or three channels")
    tiny_cfg.model.backbone.in_channels = bands
    with DefaultScope.overwrite_default_scope('mmseg'):
        model, path = MODELS.build(tiny_cfg.model), tmp_path / 'model.onnx'
    mean, std = [90.0, 110.0, 130.0, 150.0][:bands], [40.0, 50.0, 60.0, 70.0][:bands]
    model.data_preprocessor = host(mean=mean, std=std, bgr_to_rgb=order != 'BGR')
    export(model, path, size=(65, 81), classes=('background', 'cat'))
    image = np.random.default_rng(0).integers(0, 256, (65, 81, bands), np.uint8)  # BGR
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    about = session.get_modelmeta().custom_metadata_map
    about = {key: json.loads(value) for key, value in about.items()}
    assert about == dict(classes=['background', 'cat'], channels=order, mean=mean, std=std)
    pixels = image[..., ::-1] if about['channels'] == 'RGB' else image
    normalised = (pixels - np.array(mean)) / np.array(std)
    (logits,) = session.run(None, {'image': normalised.transpose(2, 0, 1)[None].astype('f4')})

    inputs = torch.from_numpy(image.transpose(2, 0, 1).copy())
    data = model.data_preprocessor(dict(inputs=[inputs], data_samples=None), training=False)
    with torch.no_grad():
        (sample,) = model.predict(data['inputs'])
    wanted = sample.seg_logits.data.numpy()
    np.testing.assert_allclose(logits[0], wanted, atol=1e-5 * abs(wanted).max())
    assert np.array_equal(logits[0].argmax(0), sample.pred_sem_seg.data[0].numpy())


def test_fixed_size_takes_no_other(tmp_path):
    path = tmp_path / 'model.onnx'
    export(small('deeplabv2_vgg16_12seeds'), path, size=(33, 41), fixed_size=True)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    assert session.get_inputs()[0].shape == ['batch', 3, 33, 41]
    session.run(None, {'image': np.zeros((2, 3, 33, 41), 'f4')})
    with pytest.raises(Exception, match='Got invalid dimensions'):
        session.run(None, {'image': np.zeros((1, 3, 33, 49), 'f4')})
