"""Write segmentors as ONNX files, and compare the files with their models."""

from __future__ import annotations

import importlib
import inspect
import json
import os
from collections.abc import Iterable
from pathlib import Path

import torch
from mmseg.models.segmentors import BaseSegmentor
from torch import Tensor, nn

_INPUT, _OUTPUT = 'image', 'logits'
_AXES = {0: 'batch', 2: 'height', 3: 'width'}


class _EncodeDecode(nn.Module):
    """A segmentor from tensor to tensor."""

    def __init__(self, model: BaseSegmentor):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        return self.model.encode_decode(image, [dict(img_shape=image.shape[2:])])


def export_onnx(
    model: BaseSegmentor,
    path: str | os.PathLike,
    *,
    size: tuple[int, int] = (321, 321),
    fixed_size: bool = False,
    opset: int = 17,
    classes: Iterable[str] = (),
) -> None:
    """Write a segmentor as an ONNX file; it appears when it is whole.

    Its input ``image`` is (N, bands, H, W) float32, normalised; its output ``logits``
    (N, C, H, W) float32, at the size of the input. The file's metadata says how to normalise, as
    JSON: ``mean`` and ``std`` of 0..255, ``channels`` (``'RGB'``, ``'BGR'``, or ``'as loaded'`` for
    another number of bands than three), and ``classes``.

    Args:
        model: Any segmentor of mmseg with ``encode_decode``, on the CPU; put into evaluation mode.
        path: The file.
        size: (H, W) of the image with which the model is traced.
        fixed_size: Accept this H and W only. N is free in any case.
        opset: Version of ONNX's operators.
        classes: Names of the C classes.
    """
    onnx = _import('onnx')
    axes = {0: _AXES[0]} if fixed_size else _AXES
    # torch's newer exporter needs one more package, and fixes sizes that this one leaves free.
    newer = 'dynamo' in inspect.signature(torch.onnx.export).parameters
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    unfinished = f'{path}.part'
    image = torch.zeros(1, input_bands(model), *size)
    with torch.no_grad():
        torch.onnx.export(
            _EncodeDecode(model).eval(),
            (image,),
            unfinished,
            opset_version=opset,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_axes={_INPUT: axes, _OUTPUT: axes},
            **(dict(dynamo=False) if newer else {}),
        )
    exported = onnx.load(unfinished)
    about = {key: json.dumps(value) for key, value in _normalisation(model).items()}
    onnx.helper.set_model_props(exported, {**about, 'classes': json.dumps(list(classes))})
    onnx.save(exported, unfinished)
    os.replace(unfinished, path)


def onnx_difference(
    model: BaseSegmentor, path: str | os.PathLike, images: Tensor
) -> tuple[float, float]:
    """Compare an ONNX file with the model that it was written from, on a CPU by onnxruntime.

    The images are normalised, (N, bands, H, W). The first result is the largest absolute difference
    of the logits, divided by the largest absolute logit, the second the share of pixels whose class
    differs.
    """
    session = _import('onnxruntime').InferenceSession(str(path), providers=['CPUExecutionProvider'])
    (found,) = session.run([_OUTPUT], {_INPUT: images.numpy()})
    with torch.no_grad():
        wanted = _EncodeDecode(model).eval()(images)
    found = torch.from_numpy(found)
    difference = (found - wanted).abs().max() / wanted.abs().max()
    return difference.item(), (found.argmax(1) != wanted.argmax(1)).float().mean().item()


def input_bands(model: BaseSegmentor) -> int:
    """Count the bands of the images that a segmentor takes, 3 for colour images.

    The mean of its preprocessor tells, or else its first convolution.
    """
    mean = getattr(model.data_preprocessor, 'mean', None)
    if mean is not None and mean.numel() > 1:
        return mean.numel()
    convolutions = (m for m in model.modules() if isinstance(m, nn.Conv2d))
    return next((m.in_channels for m in convolutions), 3)


def _normalisation(model: BaseSegmentor) -> dict:
    preprocessor = model.data_preprocessor
    # mmsegmentation's own attribute, and that of mmengine and of OneDL's mmsegmentation.
    names = ('channel_conversion', '_channel_conversion')
    rgb = any(getattr(preprocessor, name, False) for name in names)  # images are loaded in BGR
    about = dict(channels='as loaded' if input_bands(model) != 3 else 'RGB' if rgb else 'BGR')
    for name in ('mean', 'std'):
        if hasattr(preprocessor, name):
            about[name] = getattr(preprocessor, name).flatten().tolist()
    return about


def _import(package: str):
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ImportError(
            f'the export to ONNX needs {package} ({error}): pip install "mmws[onnx]"'
        ) from error
