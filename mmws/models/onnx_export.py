"""Segmentors as ONNX files: written, described, and compared with the model they came from."""

from __future__ import annotations

import importlib.util
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
    """The part of a segmentor that is exported: tensors in, tensors out."""

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
    """Writes a segmentor as an ONNX file.

    Its input ``image`` is (N, 3, H, W) float32, normalised; its output ``logits`` (N, C, H, W)
    float32, at the size of the input. How the image is to be normalised stands in the file's
    metadata, as JSON: ``mean`` and ``std`` of 0..255, ``channels`` (``'RGB'`` or ``'BGR'``), and
    ``classes``. The file appears under its name when it is whole.

    Args:
        model: Any segmentor of mmseg with ``encode_decode``; it is put into evaluation mode.
        path: The file.
        size: (H, W) of the image with which the model is traced.
        fixed_size: Accept this H and W only. N is free in any case.
        opset: Version of ONNX's operators.
        classes: Names of the C classes.

    Raises:
        ImportError: The package ``onnx`` is missing.
    """
    _require('onnx')
    import onnx

    axes = {0: _AXES[0]} if fixed_size else _AXES
    # torch's newer exporter needs one more package, and fixes sizes that this one leaves free.
    options = (
        dict(dynamo=False) if 'dynamo' in inspect.signature(torch.onnx.export).parameters else {}
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f'{path.name}.part')
    image = torch.zeros(1, 3, *size, device=_device(model))
    with torch.no_grad():
        torch.onnx.export(
            _EncodeDecode(model.eval()),
            (image,),
            str(unfinished),
            opset_version=opset,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_axes={_INPUT: axes, _OUTPUT: axes},
            **options,
        )
    exported = onnx.load(unfinished)
    about = {key: json.dumps(value) for key, value in _normalisation(model).items()}
    onnx.helper.set_model_props(exported, {**about, 'classes': json.dumps(list(classes))})
    onnx.save(exported, unfinished)
    os.replace(unfinished, path)


def onnx_difference(
    model: BaseSegmentor, path: str | os.PathLike, images: Tensor
) -> tuple[float, float]:
    """Compares an ONNX file with the model that it was written from, on a CPU by onnxruntime.

    Args:
        model: The segmentor.
        path: The file.
        images: Normalised images (N, 3, H, W).

    Returns:
        The largest absolute difference of the logits, divided by the largest absolute logit; and
        the share of pixels whose class differs.

    Raises:
        ImportError: The package ``onnxruntime`` is missing.
    """
    _require('onnxruntime')
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    (found,) = session.run([_OUTPUT], {_INPUT: images.numpy()})
    with torch.no_grad():
        wanted = _EncodeDecode(model.eval())(images.to(_device(model))).cpu()
    found = torch.from_numpy(found)
    difference = (found - wanted).abs().max() / wanted.abs().max()
    return difference.item(), (found.argmax(1) != wanted.argmax(1)).float().mean().item()


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _normalisation(model: BaseSegmentor) -> dict:
    preprocessor = model.data_preprocessor
    # mmseg's images come in BGR.
    about = dict(channels='RGB' if getattr(preprocessor, 'channel_conversion', False) else 'BGR')
    for name in ('mean', 'std'):
        if hasattr(preprocessor, name):
            about[name] = getattr(preprocessor, name).flatten().tolist()
    return about


def _require(package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f'the export to ONNX needs {package}, which is not installed: '
            'pip install "mmws[onnx]", or pip install onnx onnxruntime'
        )
