"""Label maps from the class maps that published methods save as NumPy files."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np

from mmws.files.file_kind import known_fault
from mmws.files.image_file import BadInputError, image_size
from mmws.files.label_map import UNKNOWN

# What dictionaries of arrays, numbers and strings need, under the names of all versions of NumPy.
_ARRAY, _SCALAR = np.zeros(0).__reduce__()[0], np.float32(0).__reduce__()[0]
_BUFFER = np.zeros(1).__reduce_ex__(5)[0]
_ALLOWED = {
    ('numpy', 'ndarray'): np.ndarray,
    ('numpy', 'dtype'): np.dtype,
    ('collections', 'OrderedDict'): OrderedDict,
    **{
        (f'numpy.{core}.{module}', name): value
        for core in ('core', '_core')
        for module, name, value in (
            ('multiarray', '_reconstruct', _ARRAY),
            ('multiarray', 'scalar', _SCALAR),
            ('numeric', '_frombuffer', _BUFFER),
        )
    },
}
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# Maps at image size, first of all: IRN, CLIP-ES.
_MAPS = ('high_res', 'attn_highres', 'cam')


class ClassMaps(NamedTuple):
    """Class maps of one image.

    Attributes:
        labels: (M,) the labels of the maps, where 0 is background and class index + 1 a class.
        scores: (M, h, w) float32.
    """

    labels: np.ndarray
    scores: np.ndarray


def read_class_maps(path: str | os.PathLike) -> ClassMaps:
    """Read a ``.npy`` dictionary of class maps, without running code that the file may hold.

    ==================================================  ==========================================
    content                                             written by
    ==================================================  ==========================================
    ``{class index: (H, W)}``                           AffinityNet (jiwoon-ahn/psa), SEAM
    ``{0: background, class index + 1: (H, W)}``,       the same, after their CRF
    which sum to 1 at every pixel
    ``{'keys': (M,), 'cam': ..., 'high_res': ...}``     IRN (jiwoon-ahn/irn) and what builds on it
    ``{}``                                              an image without any class
    ==================================================  ==========================================

    Keys may be numbers or their text.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It is none of these.
    """
    content = _load(path)
    if 'keys' in content:
        name = next((name for name in _MAPS if name in content), None)
        if name is None:
            raise ValueError(
                f'the class maps {path} have keys but none of {", ".join(_MAPS)}; they hold '
                f'{", ".join(map(str, content))}.'
            )
        keys = np.atleast_1d(np.asarray(content['keys']))
        scores = content[name]
        if len(keys) == len(scores) + 1 and keys[0] == 0:  # with the background's in front
            keys = keys[1:] - 1
    else:
        keys, scores = list(content), list(content.values())
    try:
        indices = np.array([int(key) for key in keys], np.int64)
        scores = np.stack([np.asarray(score, np.float32) for score in scores] or [_EMPTY])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'the class maps {path} are no maps of one size by class index ({error}); their keys '
            f'are {", ".join(map(repr, list(keys)[:5]))}.'
        ) from error
    if not len(indices):
        return ClassMaps(indices, np.zeros((0, 0, 0), np.float32))
    if scores.ndim != 3 or len(scores) != len(indices) or not scores.size:
        raise ValueError(
            f'the class maps {path} are {scores.shape} for {len(indices)} classes; expected (H, W) '
            'for each.'
        )
    if not np.isfinite(scores).all():
        raise ValueError(f'the class maps {path} hold values that are not finite.')
    if len(set(indices.tolist())) < len(indices) or not (indices >= 0).all():
        raise ValueError(f'the class maps {path} have the classes {indices.tolist()}.')
    # After a CRF they are probabilities, of the background too.
    with_background = 0 in indices and np.abs(scores.sum(0) - 1).max() < 0.02
    labels = indices + (0 if with_background and len(indices) > 1 else 1)
    if labels.max() >= UNKNOWN:
        raise ValueError(f'the class maps {path} name the class {indices.max()}; 253 is the last.')
    return ClassMaps(labels, scores)


def labels_of_class_maps(
    path: str | os.PathLike,
    image: str | os.PathLike,
    *,
    background: float = 0.25,
    alpha: float | None = None,
) -> np.ndarray:
    """Turn a file of class maps into a label map of the image's size.

    Args:
        path: A file as in :func:`read_class_maps`.
        image: The image, for its size. Smaller maps are enlarged bilinearly.
        background: Score of the background where the file has none: a pixel whose classes are all
            below it becomes background.
        alpha: Instead of ``background``: the score is (1 - the highest class score)^alpha, as
            AffinityNet has it.

    Returns:
        (H, W) uint8: 0 background, class index + 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is none of these, the image is missing, or the maps are not of its
            proportions or not in [0, 1].
    """
    labels, scores = read_class_maps(path)
    try:
        height, width = image_size(image)
    except BadInputError as error:
        raise ValueError(f'the class maps {path} need the size of their image: {error}.') from error
    if not len(labels):
        return np.zeros((height, width), np.uint8)
    if scores.min() < -1e-3 or scores.max() > 1.001:
        raise ValueError(
            f'the class maps {path} reach from {scores.min():.3g} to {scores.max():.3g}. Normalise '
            'them to [0, 1] first: a score of the background means nothing beside them.'
        )
    h, w = scores.shape[1:]
    if abs(h * width / height - w) > 1 and abs(w * height / width - h) > 1:
        raise ValueError(
            f'the class maps {path} are {w}x{h} and the image {image} is {width}x{height} (width x '
            'height): other proportions. Are they of another image, or padded?'
        )
    scores = np.stack(
        [cv2.resize(score, (width, height), interpolation=cv2.INTER_LINEAR) for score in scores]
    )
    if 0 not in labels:
        highest = scores.max(0)
        rest = np.full_like(highest, background) if alpha is None else (1 - highest) ** alpha
        labels, scores = np.array([0, *labels]), np.stack([rest, *scores])
    return labels.astype(np.uint8)[scores.argmax(0)]


_EMPTY = np.zeros((0, 0), np.float32)


class _Unpickler(pickle.Unpickler):
    """Knows arrays, numbers, strings and what holds them; everything else is refused."""

    def find_class(self, module: str, name: str):
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise ValueError(
                f'{module}.{name} is in it, and only arrays, numbers, strings and dictionaries are '
                'read: loading more could run code of the file'
            ) from None


def _load(path: str | os.PathLike) -> dict:
    fault = known_fault(path)
    if fault is not None and 'NumPy array' not in fault:
        raise ValueError(f'the file of class maps {path} {fault}.')
    with open(path, 'rb') as file:
        try:
            content = _read_object(file)
        except Exception as error:  # a damaged pickle raises many kinds
            raise ValueError(
                f'the file of class maps {path} cannot be read ({error}). Expected what np.save '
                'writes of a dictionary of arrays.'
            ) from error
    if not isinstance(content, dict):
        shape = getattr(content, 'shape', None)
        what = type(content).__name__ if shape is None else f'an array {shape}'
        raise ValueError(f'the file of class maps {path} holds {what}, no dictionary of classes.')
    return content


def _read_object(file: BinaryIO):
    version = np.lib.format.read_magic(file)
    _, _, dtype = _HEADERS[version](file)
    if not dtype.hasobject:
        file.seek(0)
        return np.load(file, allow_pickle=False)
    # Python 2 wrote bytes as text.
    content = _Unpickler(file, encoding='latin1').load()
    return content.item() if getattr(content, 'shape', None) == () else content
