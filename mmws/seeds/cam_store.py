"""CAMs of one image in a file: the present classes only, half precision, no pickle."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import numpy as np

from .array_file import read_arrays

CAM_MANIFEST = 'cam.json'
CAM_SUFFIX = '.npz'


@dataclass(frozen=True)
class ImageCAMs:
    """Normalised CAMs of one image, of which seeds are made.

    Attributes:
        class_ids: Present classes, from 0, without background, ascending.
        maps: Scale -> (M, h, w) float16 in [0, 1] at the network's output size, normalised there.
    """

    class_ids: tuple[int, ...]
    maps: dict[float, np.ndarray]

    def encode(self) -> bytes:
        """Encode the file: ``class_ids`` and one array ``x<scale>`` a scale."""
        arrays = {f'x{scale}': cam.astype(np.float16) for scale, cam in self.maps.items()}
        stream = io.BytesIO()
        np.savez(stream, class_ids=np.asarray(self.class_ids, np.uint8), **arrays)
        return stream.getvalue()


def read_cams(path: str | os.PathLike) -> ImageCAMs:
    """Read what :meth:`ImageCAMs.encode` wrote.

    A ValueError where it is something else, or damaged, or holds values outside [0, 1].
    """
    try:
        content = read_arrays(path)
        class_ids = tuple(content.pop('class_ids').tolist())
        maps = {float(name[1:]): cam for name, cam in content.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:  # other arrays, or one alone
        raise ValueError(
            f'{path} is not a file of CAMs, or is damaged ({error}). Remove it and make it again.'
        ) from error
    for scale, cam in maps.items():
        # CAMs of another tool, or of a network that has diverged.
        if np.ndim(cam) != 3 or len(cam) != len(class_ids) or not ((cam >= 0) & (cam <= 1)).all():
            raise ValueError(
                f'{path}: the CAMs of scale {scale} are not one map in [0, 1] for each of the '
                f'{len(class_ids)} classes. Remove the file and make it again.'
            )
    return ImageCAMs(class_ids, maps)
