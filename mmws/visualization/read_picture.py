"""Read images for the eye: bands and bits that networks see otherwise."""

from __future__ import annotations

import os

import numpy as np

from mmws.files.image_file import BadInputError, read_bands, read_image

# Shares of the pixels that may be white or black in a picture of more than 8 bits.
_CUT = (1, 99)


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """Read an image as one looks at it: (H, W, 3) uint8, RGB.

    As :func:`mmws.files.image_file.read_image` does, but for more than 8 bits, which are stretched
    to the range of their values, and for more than four bands, of which the first three are shown.
    """
    try:
        bands = read_bands(path)
    except BadInputError:
        return read_image(path)  # which says why
    if bands.dtype == np.uint8 and (bands.ndim == 2 or bands.shape[2] in (1, 3, 4)):
        return read_image(path)
    bands = np.atleast_3d(bands)
    # OpenCV turns around three and four bands only.
    picture = bands[..., 2::-1] if bands.shape[2] in (3, 4) else bands[..., :3]
    if picture.shape[2] < 3:
        picture = np.repeat(picture[..., :1], 3, axis=2)
    picture = np.nan_to_num(picture.astype(np.float32))
    if bands.dtype != np.uint8:
        low, high = np.percentile(picture, _CUT)
        picture = (picture - low) * (255 / max(high - low, 1e-9))
    return picture.clip(0, 255).round().astype(np.uint8)
