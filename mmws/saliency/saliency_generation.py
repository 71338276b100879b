"""Make saliency maps of a folder of images."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.files.find_images import FoundImages, find_images
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.id_list import IMAGE_SUFFIXES, listed_ids
from mmws.files.image_file import BadInputError, read_image
from mmws.files.map_run import MapReport, MapRun
from mmws.seeds.crf import CRFOptions, crf_probabilities
from mmws.seeds.seed_recipe import fill


class SaliencyGeneration(MapRun):
    """Make ``OUT/<image id>.png``, 8-bit grey and of the image's size, for every image.

    With a CRF, the model works in this process and feeds worker processes, which refine and write.

    Args:
        images: Path of each image by its id, see :func:`find_images`.
        out: Folder of the maps.
        predict: Computes the map of an image from the RGB array and its path, as
            :class:`Predictor` and :class:`ONNXSaliency` do.
        recipe: What the maps depend on, besides the CRF.
        crf: Those options of :class:`CRFOptions` that are not the default; None for no CRF.
        workers: Number of worker processes for the CRF; 0 does all in this one.
        **kwargs: ``share`` and ``limit`` as in :class:`MapRun`.
    """

    def __init__(
        self,
        images: Mapping[str, str],
        out: str | os.PathLike,
        *,
        predict: Callable[[np.ndarray, str], np.ndarray],
        recipe: dict,
        crf: dict | None = None,
        workers: int = 1,
        **kwargs,
    ):
        self.images = images
        self.predict = predict
        self.crf = None if crf is None else asdict(fill(CRFOptions, crf, 'the CRF'))
        folder = SeedFolder(out, {**recipe, 'crf': self.crf}, manifest=SALIENCY_MANIFEST)
        # Without a CRF the network takes all the time.
        workers = workers if self.crf else 0
        super().__init__({'saliency': folder}, sorted(images), workers=workers, **kwargs)

    def run(self) -> MapReport:
        """Make what is missing; the report notes the maps without contrast."""
        return self.make(self._job, write_map)

    def _job(self, image_id: str, files: dict[str, Path]) -> tuple:
        path = self.images[image_id]
        image = read_image(path)
        try:
            saliency = self.predict(image, path)
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise BadInputError(
                f'{path} ({image.shape[1]} x {image.shape[0]} pixels) does not fit into the memory '
                'of the GPU; shrink large images with --max-size'
            ) from None
        return saliency, files['saliency'], image if self.crf else None, self.crf


def find_all_images(
    folder: str | os.PathLike,
    *,
    listed: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
) -> FoundImages:
    """Find the images of a folder, or those that a list names, but none in ``out``.

    Raises:
        FileNotFoundError: The folder, the list or a listed image is not there.
        ValueError: There is no image, two have one id, or ``out`` is or holds ``folder``.
    """
    if out is not None:
        inside, outside = Path(folder).resolve(), Path(out).resolve()
        if inside.is_relative_to(outside):
            raise ValueError(
                f'the output folder {outside} {"is" if inside == outside else "holds"} the folder '
                f'of the images, {inside}. Maps and images would mix: choose one beside it, such '
                f'as {inside.parent / "saliency"}.'
            )
    found = find_images(folder, leave_out=out)
    if not found.images:
        raise ValueError(
            f'there is no image in {folder}: {len(found.skipped)} files, of which none ends with '
            f'{", ".join(IMAGE_SUFFIXES)}.'
        )
    if listed is None:
        return found
    ids = listed_ids(listed, found.images, folder)
    return FoundImages({image_id: found.images[image_id] for image_id in ids}, [])


def write_map(
    saliency: np.ndarray, file: Path, image: np.ndarray | None = None, crf: dict | None = None
) -> bool:
    """Write a map, (H, W) float32 in [0, 1], as 8-bit grey PNG; runs in worker processes.

    With the options of a CRF a DenseCRF of two labels on the RGB image refines it first, as the
    probability of being salient. Returns whether the map that was given has no contrast.
    """
    flat = bool(saliency.min() == saliency.max())
    if crf is not None:
        scores = np.stack([1 - saliency, saliency])[None]
        saliency = crf_probabilities(image, scores, **crf)[0, 1]
    stream = io.BytesIO()
    Image.fromarray(np.rint(np.clip(saliency, 0, 1) * 255).astype(np.uint8)).save(stream, 'PNG')
    write_atomically(file, stream.getvalue())
    return flat
