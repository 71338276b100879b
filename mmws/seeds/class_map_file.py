"""Label maps from the scores that published methods save as NumPy files."""

from __future__ import annotations

import os
from typing import NamedTuple

import cv2
import numpy as np

from mmws.files.label_map import BACKGROUND, UNKNOWN

from .array_file import read_arrays

_KEYS = ('keys', 'keys_gt')
# Of several maps those at image size, before those at the network's.
_MAPS = ('high_res', 'attn_highres', 'highres', 'valid_cam', 'valid_lam', 'cam')
_DENSE = ('msc_seg', 'msc_segs')


class ClassMaps(NamedTuple):
    """Scores of one image.

    Attributes:
        form: ``'classes'``, maps in [0, 1] of the present classes; ``'refined'``, probabilities of
            background and these; ``'scores'``, probabilities or logits of all labels; ``''`` if
            there is no class.
        found: What the file holds, in words.
        labels: (M,) the labels of the maps, where 0 is background and class index + 1 a class.
        scores: (M, h, w) float32.
    """

    form: str
    found: str
    labels: np.ndarray
    scores: np.ndarray


def read_class_maps(path: str | os.PathLike) -> ClassMaps:
    """Read a ``.npy`` or ``.npz`` file of scores, without running code that it may hold.

    It is ``{class index: (H, W)}``, empty without any class; ``keys`` and (M, H, W) of these; or an
    array (C, H, W), also as ``msc_seg``. docs/your_label_maps.md lists the forms and who writes
    them. Keys may be numbers or their text.

    Raises:
        FileNotFoundError: No such file.
        ValueError: It is none of these.
    """
    content = read_arrays(path)
    if not isinstance(content, dict):
        return _dense(path, content, '')
    for name in _DENSE:
        if name in content:
            return _dense(path, content[name], f'{name}: ')
    if key := next((name for name in _KEYS if name in content), None):
        name = next((name for name in _MAPS if name in content), None)
        if name is None:
            raise ValueError(
                f'the class maps {path} have {key} but none of {", ".join(_MAPS)}; they hold '
                f'{", ".join(map(str, content))}.'
            )
        keys, scores, found = np.atleast_1d(content[key]), content[name], f'{key}, {name}: '
        if len(keys) == len(scores) + 1 and keys[0] == 0:  # with the background's in front
            keys = keys[1:] - 1
    else:
        keys, scores, found = list(content), list(content.values()), 'by class: '
    try:
        indices = np.array([int(key) for key in keys], np.int64)
        scores = [np.asarray(score, np.float32) for score in scores]
        scores = np.stack(scores) if len(scores) else np.zeros((0, 0, 0), np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'the class maps {path} are no maps of one size by class index ({error}); their keys '
            f'are {", ".join(map(repr, list(keys)[:5]))}.'
        ) from error
    if not len(indices):
        return ClassMaps('', 'no class', indices, scores)
    if scores.ndim != 3 or len(scores) != len(indices) or not scores.size:
        raise ValueError(
            f'the class maps {path} are {scores.shape} for {len(indices)} classes; expected (H, W) '
            'for each.'
        )
    _check_finite(path, scores)
    if len(set(indices.tolist())) < len(indices) or not (indices >= 0).all():
        raise ValueError(f'the class maps {path} have the classes {indices.tolist()}.')
    # After a CRF they are probabilities, of the background too.
    refined = 0 in indices and np.abs(scores.sum(0) - 1).max() < 0.02
    labels = indices + (0 if refined else 1)
    if labels.max() >= UNKNOWN:
        raise ValueError(f'the class maps {path} name the class {indices.max()}; 253 is the last.')
    found += f'{len(labels)} maps of {scores.shape[2]}x{scores.shape[1]}'
    if refined:
        return ClassMaps('refined', f'{found} that sum to 1, background first', labels, scores)
    if scores.min() < -1e-3 or scores.max() > 1.001:
        raise ValueError(
            f'the class maps {path} reach from {scores.min():.3g} to {scores.max():.3g}. Normalise '
            'them to [0, 1] first: a score of the background means nothing beside them.'
        )
    return ClassMaps('classes', f'{found}, of classes counted from 0', labels, scores)


def label_pixels(
    maps: ClassMaps,
    size: tuple[int, int] | None = None,
    *,
    background: float | np.ndarray = 0.25,
    alpha: float | None = None,
    ignore_below: float = 0.0,
) -> np.ndarray:
    """Give each pixel the label with the highest score.

    Args:
        maps: The scores. Those of another size are resized bilinearly.
        size: (H, W) of the image; None for that of the maps.
        background: Score of the background where the maps have none, one for all pixels or (H, W):
            a pixel whose classes are all below it becomes background.
        alpha: Instead of ``background``: the score is (1 - the highest class score)^alpha, as
            AffinityNet has it.
        ignore_below: Pixels whose label has a smaller share of the sum of all scores, background
            among them, become 255. Of logits it is the share after a softmax.

    Returns:
        (H, W) uint8: 0 background, class index + 1, 255 unknown.
    """
    if size is None and not maps.scores.size:
        raise ValueError('there are no class maps in it, and no image tells the size.')
    count, h, w = maps.scores.shape
    if size is None and maps.form == 'scores' and w < min(count, h):
        raise ValueError(
            f'the scores are {count, h, w}: (H, W, C), it seems. Save np.moveaxis(scores, -1, 0); '
            'if they are (C, H, W), let the images tell the size.'
        )
    height, width = (h, w) if size is None else size
    if not maps.scores.size:
        return np.full((height, width), BACKGROUND, np.uint8)
    if abs(h * width / height - w) > 1 and abs(w * height / width - h) > 1:
        raise ValueError(
            f'the maps are {w}x{h} and the image is {width}x{height} (width x height): other '
            'proportions. Are they of another image, padded, or (H, W, C)?'
        )
    labels, scores = maps.labels, maps.scores
    if (h, w) != (height, width):
        scores = np.stack([cv2.resize(score, (width, height)) for score in scores])
    if maps.form == 'classes':
        highest = scores.max(0)
        rest = (1 - highest).clip(0) ** alpha if alpha else np.full_like(highest, background)
        labels, scores = np.array([BACKGROUND, *labels]), np.stack([rest, *scores])
    seed = labels.astype(np.uint8)[scores.argmax(0)]
    if ignore_below:
        if scores.min() < 0 or scores.max() > 1.001:  # logits
            scores = np.exp(scores - scores.max(0))
        seed[scores.max(0) < ignore_below * scores.sum(0)] = UNKNOWN
    return seed


def _dense(path: str | os.PathLike, scores: np.ndarray, name: str) -> ClassMaps:
    scores = np.asarray(scores)
    shape = scores.shape
    if scores.ndim == 4 and len(scores) == 1:
        scores = scores[0]
    if scores.ndim != 3 or scores.dtype.kind != 'f' or not scores.size:
        raise ValueError(
            f'the file {path} holds an array {shape} of {scores.dtype}; expected floats (C, H, W), '
            'logits or probabilities. Store labels (H, W) as PNG.'
        )
    count, h, w = scores.shape
    if count > UNKNOWN:
        raise ValueError(f'the scores {path} are {shape}: at most 255 labels fit into 8 bits.')
    scores = scores.astype(np.float32)
    _check_finite(path, scores)
    found = f'{name}scores of {count} labels at {w}x{h}'
    return ClassMaps('scores', found, np.arange(count), scores)


def _check_finite(path: str | os.PathLike, scores: np.ndarray) -> None:
    if not np.isfinite(scores).all():
        raise ValueError(f'the scores {path} hold values that are not finite.')
