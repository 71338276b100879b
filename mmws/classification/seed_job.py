"""One image's share of the work: read, make its seeds, write them. Runs in worker processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import BadInputError, read_image
from mmws.files.label_map import encode_label_map
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.recipe import SeedRecipe
from mmws.seeds.seed import salient_share


@dataclass(frozen=True)
class SeedImage:
    """An image to make seeds of.

    Attributes:
        image_id: Names its files; may hold folders.
        path: The image file.
        class_ids: Present classes, from 0, without background, ascending.
        saliency_path: 8-bit grey map of the image's size; None if the recipe needs none.
    """

    image_id: str
    path: str
    class_ids: tuple[int, ...]
    saliency_path: str | None = None


@dataclass(frozen=True)
class SeedJob:
    """Which seeds of an image are to be written, and from what.

    Attributes:
        image: The image.
        cams: Its CAMs, or the file they are in.
        files: Seed name -> file.
        cam_file: Where the CAMs shall be kept as well, if at all.
    """

    image: SeedImage
    cams: ImageCAMs | str
    files: dict[str, str]
    cam_file: str | None = None


@dataclass(frozen=True)
class JobResult:
    """What became of a job.

    Attributes:
        image_id: The image.
        problem: Why nothing was written; None if all was.
        salient_share: Share of the image that saliency finds; None without a map.
    """

    image_id: str
    problem: str | None = None
    salient_share: float | None = field(default=None)


def run_job(job: SeedJob, recipe: SeedRecipe) -> JobResult:
    """Makes and writes the seeds of one image.

    Files that are missing or bad are a result, since other images can go on; failing to write is
    an error.

    Raises:
        OSError: A seed cannot be written.
    """
    try:
        image = read_image(job.image.path)
        saliency = read_saliency(job.image.saliency_path, image.shape[:2])
        cams = _cams_of(job)
    except BadInputError as problem:
        return JobResult(job.image.image_id, str(problem))
    seeds = recipe.make(image, cams, saliency, list(job.files))
    # The CAMs first: an image whose seeds are there never lacks them.
    if job.cam_file is not None:
        write_atomically(job.cam_file, cams.encode())
    for name, seed in seeds.items():
        write_atomically(job.files[name], encode_label_map(seed))
    share = None if saliency is None else salient_share(saliency, recipe.threshold.background)
    return JobResult(job.image.image_id, salient_share=share)


def read_saliency(path: str | os.PathLike | None, size: tuple[int, int]) -> np.ndarray | None:
    """Reads a saliency map, (H, W) uint8; None for the path None.

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


def _cams_of(job: SeedJob) -> ImageCAMs:
    if isinstance(job.cams, ImageCAMs):
        return job.cams
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
