"""Make the seeds of one image and write them; runs in worker processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import BadInputError, read_image
from mmws.files.label_map import encode_label_map
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.seed import salient_share
from mmws.seeds.seed_recipe import SeedRecipe


@dataclass(frozen=True)
class SeedImage:
    """An image to make seeds of.

    Attributes:
        image_id: Names its files; may hold folders.
        path: The image file.
        class_ids: Present classes, from 0, without background, ascending.
        saliency_path: 8-bit grey map of the image's size; None if the image needs none.
    """

    image_id: str
    path: str
    class_ids: tuple[int, ...]
    saliency_path: str | None = None

    def map_folder(self, suffix: str) -> str:
        """Return the folder of the saliency maps, in which an id may have folders of its own."""
        return self.saliency_path.removesuffix(f'{self.image_id}{suffix}').rstrip('/') or '.'


@dataclass(frozen=True)
class SeedJob:
    """The seeds of an image that are to be written, and what they are made from.

    Attributes:
        image: The image.
        cams: Its CAMs, or the file they are in.
        files: Seed name -> file.
        cam_file: Where to keep the CAMs as well, if at all.
    """

    image: SeedImage
    cams: ImageCAMs | str
    files: dict[str, Path]
    cam_file: Path | None = None


def run_job(job: SeedJob, recipe: SeedRecipe) -> bool:
    """Make and write the seeds of one image.

    Returns:
        Whether saliency finds less than ``recipe.saliency.sparse_share`` of the image.

    Raises:
        BadInputError: The image, its saliency map or its kept CAMs are missing or bad.
        OSError: A seed cannot be written.
    """
    image = read_image(job.image.path)
    saliency = read_saliency(job.image.saliency_path, image.shape[:2])
    cams = job.cams if isinstance(job.cams, ImageCAMs) else _kept_cams(job)
    seeds = recipe.make(image, cams, saliency, list(job.files))
    # The CAMs first: an image whose seeds are there never lacks them.
    if job.cam_file is not None:
        write_atomically(job.cam_file, cams.encode())
    for name, seed in seeds.items():
        write_atomically(job.files[name], encode_label_map(seed))
    if saliency is None:
        return False
    return salient_share(saliency, recipe.threshold.background) < recipe.saliency.sparse_share


def read_saliency(path: str | os.PathLike | None, size: tuple[int, int]) -> np.ndarray | None:
    """Read a saliency map, (H, W) uint8; None for the path None.

    Raises:
        BadInputError: It is missing, unreadable, not 8-bit grey, or not of the image's ``size``
            (H, W).
    """
    if path is None:
        return None
    try:
        with Image.open(path) as file:
            saliency, mode = np.asarray(file), file.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInputError(f'saliency map {path} cannot be read ({error})') from error
    if mode != 'L':
        raise BadInputError(f'saliency map {path} has mode {mode}; it must be 8-bit grey')
    if saliency.shape != size:
        raise BadInputError(
            f'saliency map {path} is {saliency.shape[1]} x {saliency.shape[0]} pixels, its image '
            f'{size[1]} x {size[0]}'
        )
    return saliency


def _kept_cams(job: SeedJob) -> ImageCAMs:
    try:
        cams = read_cams(job.cams)
    except (OSError, ValueError) as error:
        raise BadInputError(str(error)) from error
    if cams.class_ids != job.image.class_ids:
        raise BadInputError(
            f'{job.cams} holds the CAMs of the classes {cams.class_ids}, but the image has '
            f'{job.image.class_ids}; remove the file'
        )
    return cams
