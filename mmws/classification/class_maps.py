"""Compute the class maps of one image at several scales (Eq. 2)."""

from __future__ import annotations

from collections.abc import Sequence

import mmcv
import numpy as np
import torch
from mmpretrain.models import ImageClassifier


@torch.no_grad()
def class_maps(
    model: ImageClassifier,
    image: np.ndarray,
    *,
    scales: Sequence[float] = (1.0, 0.75, 0.5),
    flip: bool = False,
) -> list[torch.Tensor]:
    """Compute the class maps of one image, before ReLU and normalisation.

    The image is resized (bilinear) and not padded, so a scale's map is what the network sees at
    that size. The scales run one after the other: in one padded batch the padding would change the
    maps near it. An image and its mirror image run as one batch.

    Args:
        model: Of :func:`load_classifier`. It runs in evaluation mode and is left in the mode it was
            in. Its ``data_preprocessor`` normalises.
        image: (H, W, 3) uint8, **RGB**.
        scales: Factors of the image's size; sections 4.1 and 4.3 of the paper: 1, 0.75, 0.5.
        flip: Average the map with that of the mirror image, mirrored back. The paper does not.

    Returns:
        One float32 tensor (C, h, w) a scale, on the model's device, any sign; C without
        background, h and w at the network's output stride.

    Raises:
        ValueError: The image is no such array, a scale is not positive, or the preprocessor pads.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
        found = f'{image.dtype} {image.shape}' if isinstance(image, np.ndarray) else type(image)
        raise ValueError(f'class_maps: image must be an RGB array (H, W, 3) uint8; got {found}.')
    if not scales or min(scales) <= 0:
        raise ValueError(f'class_maps: scales must be positive numbers; got {tuple(scales)}.')
    was_training = model.training
    model.eval()
    try:
        return [_class_maps_at(model, image, scale, flip) for scale in scales]
    finally:
        model.train(was_training)


def _class_maps_at(
    model: ImageClassifier, image: np.ndarray, scale: float, flip: bool
) -> torch.Tensor:
    size = tuple(max(1, int(length * scale + 0.5)) for length in image.shape[:2])
    if size != image.shape[:2]:
        image = mmcv.imresize(image, size[::-1], interpolation='bilinear')
    # mmpretrain loads images as BGR, and that is what a preprocessor's `to_rgb` goes by.
    chw = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))
    inputs = torch.from_numpy(chw)[None]
    if flip:
        inputs = torch.cat([inputs, inputs.flip(3)])
    inputs = model.data_preprocessor(dict(inputs=inputs), training=False)['inputs']
    if inputs.shape[-2:] != size:
        raise ValueError(
            f'class_maps: the data_preprocessor made {tuple(inputs.shape[-2:])} of an image of '
            f'size {size}. Set its pad_size_divisor to 1: padding changes the maps.'
        )
    maps = model.head.class_maps(model.extract_feat(inputs)).float()
    if flip:
        maps = (maps[:1] + maps[1:].flip(3)) / 2
    return maps[0]
