"""Saliency maps by any network in an ONNX file: U2-Net, U2-NetP, IS-Net."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmws.files.file_kind import known_fault
from mmws.files.worker_pool import worker_cores
from mmws.run_config import own_device

_FREE_SIZE = 320  # for a file that leaves its input size open: U2-Net's


class ONNXSaliency:
    """Run a saliency network of one image input and one map (among its outputs, the first).

    The image is stretched to the network's input size, divided by its highest value, and
    normalised; the map is enlarged to the image. That is how U2-Net and IS-Net are released, and
    what rembg does with them, which would fix size and normalisation by the name of a download.

    Args:
        path: The ONNX file.
        mean: RGB mean of the divided image; U2-Net's (ImageNet's) by default. IS-Net: 0.5.
        std: RGB standard deviation, likewise. IS-Net: 1.
        min_max: Stretch each map to [0, 1].
        device: ``'cuda'``, ``'cuda:1'`` or ``'cpu'``. None: a GPU where onnxruntime has one.

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: onnxruntime is not installed.
        RuntimeError: A GPU is asked for that onnxruntime cannot use.
        ValueError: The file is no ONNX file, or the network is no saliency network.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        min_max: bool = True,
        device: str | None = None,
    ):
        self.path = Path(path)
        self.mean, self.std = np.float32(mean), np.float32(std)
        if self.mean.shape != (3,) or self.std.shape != (3,) or not (self.std > 0).all():
            raise ValueError(
                f'mean and std are three numbers each, std above 0; got {mean} and {std}.'
            )
        self.min_max = min_max
        if not self.path.is_file():
            raise FileNotFoundError(f'There is no ONNX file {self.path}.')
        self.session = _open(self.path, device)
        self.size = self._input_size()
        self._run(np.zeros((3, *self.size), np.float32))  # a wrong network is refused now

    @property
    def recipe(self) -> dict:
        """A hash of the file, and how it is used, as JSON: what the maps depend on."""
        return {
            'onnx_sha256': hashlib.sha256(self.path.read_bytes()).hexdigest(),
            'size': list(self.size),
            'mean': [round(float(value), 6) for value in self.mean],
            'std': [round(float(value), 6) for value in self.std],
            'min_max': self.min_max,
        }

    def __call__(self, image: np.ndarray, path: str = 'an image') -> np.ndarray:
        """Compute the map (H, W) float32 in [0, 1] of an image (H, W, 3) uint8, RGB.

        Raises:
            ValueError: The network's output is not finite, or leaves [0, 1]; names ``path``.
        """
        height, width = image.shape[:2]
        small = Image.fromarray(image).resize(self.size[::-1], Image.Resampling.LANCZOS)
        pixels = np.asarray(small, np.float32)
        pixels = (pixels / max(pixels.max(), 1) - self.mean) / self.std
        saliency = self._run(np.ascontiguousarray(pixels.transpose(2, 0, 1)), path)
        if self.min_max:
            low, high = saliency.min(), saliency.max()
            saliency = (saliency - low) / max(high - low, 1e-6)
        return cv2.resize(saliency, (width, height), interpolation=cv2.INTER_LINEAR)

    def _input_size(self) -> tuple[int, int]:
        inputs = self.session.get_inputs()
        shape = (inputs[0].shape if len(inputs) == 1 else None) or ()
        # A dimension that is left open is a name or None.
        if len(shape) != 4 or shape[1] not in (3, None):
            raise self._refusal(
                f'it has the inputs {", ".join(f"{i.name} {i.shape}" for i in inputs)}; expected '
                'one image (1, 3, height, width)'
            )
        height, width = (n if isinstance(n, int) else _FREE_SIZE for n in shape[2:])
        return height, width

    def _run(self, pixels: np.ndarray, path: str = 'zeros') -> np.ndarray:
        """Compute the map (h, w) of a normalised image (3, h, w)."""
        name = self.session.get_inputs()[0].name
        output = self.session.run([self.session.get_outputs()[0].name], {name: pixels[None]})[0]
        shape = np.shape(output)
        if shape not in ((1, 1, *self.size), (1, *self.size)):
            raise self._refusal(
                f'its first output has the shape {shape}; expected one map of its input '
                f'{(1, 1, *self.size)}'
            )
        low, high = float(output.min()), float(output.max())
        if not -1e-3 <= low <= high <= 1 + 1e-3:  # NaN fails too
            raise self._refusal(
                f'its output for {path} lies in [{low:.3g}, {high:.3g}]; expected [0, 1], from a '
                'sigmoid at its end'
            )
        return output.reshape(self.size).astype(np.float32)

    def _refusal(self, why: str) -> ValueError:
        return ValueError(
            f'{self.path} is not a saliency network: {why}. Use U2-Net, U2-NetP, IS-Net or another '
            'network from an RGB image to one map in [0, 1].'
        )


def _open(path: Path, device: str | None):
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f'{path} needs onnxruntime, which cannot be imported ({error}). Install it with: pip '
            'install "mmws[onnx]"'
        ) from error
    cuda = 'CUDAExecutionProvider'
    wanted = cuda in onnxruntime.get_available_providers() if device is None else device != 'cpu'
    providers = ['CPUExecutionProvider']
    if wanted:
        index = int((device or own_device()).partition(':')[2] or 0)
        providers.insert(0, (cuda, {'device_id': index}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = worker_cores()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers)
    except Exception as error:  # onnxruntime raises its own kinds, one for each cause
        fault = known_fault(Path(path).read_bytes())
        raise ValueError(
            f'{path} {fault or "is not an ONNX file that onnxruntime can run"} '
            f'({type(error).__name__}: {str(error).splitlines()[0]}).'
        ) from error
    # It goes on with the CPU where its CUDA is missing or does not load.
    if device is not None and wanted and cuda not in session.get_providers():
        raise RuntimeError(
            f'onnxruntime cannot use {device}: its CUDA is missing or did not load. Install '
            'onnxruntime-gpu in its place, or give --device cpu.'
        )
    return session
