"""Make folders of seeds with a classifier; what the tool and the hook both do."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from torch import nn
from torch.utils.data import Dataset

from mmws.checkpoint import model_identity
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.image_file import BadInputError, read_image, read_saliency
from mmws.files.label_map import encode_label_map
from mmws.files.map_run import MapReport, MapRun
from mmws.files.worker_pool import share_of_work
from mmws.run_config import own_device
from mmws.seeds.cam import normalize_cam
from mmws.seeds.cam_store import CAM_MANIFEST, CAM_SUFFIX, ImageCAMs, read_cams
from mmws.seeds.seed import salient_share
from mmws.seeds.seed_recipe import SeedRecipe

from .class_maps import class_maps
from .load_classifier import load_classifier
from .seed_images import SeedImage, dataset_images


class SeedGeneration(MapRun):
    """Make the seeds of many images; may be stopped at any moment and run again.

    The model makes CAMs in this process and feeds worker processes, which read the images, run
    the CRF and write the files, so that GPU and cores work at once.

    Args:
        images: All images, the same list in every process that takes part.
        recipe: How to make the seeds.
        out: SEED_ROOT; each seed gets a folder in it.
        identity: Which classifier, see :func:`mmws.checkpoint.model_identity`.
        classes: Names of the classes, without background; for the manifests, as ``config``.
        config: File of the classifier's config.
        model: The classifier, in evaluation mode on its device. None if all CAMs are kept.
        cams_dir: Keep the CAMs here, in ``<prefix>/<image id>.npz``, and use those that are there.
        **kwargs: ``workers``, ``share`` and ``limit`` as in :class:`MapRun`.
    """

    def __init__(
        self,
        images: Sequence[SeedImage],
        recipe: SeedRecipe,
        out: str | os.PathLike,
        *,
        identity: dict,
        classes: Sequence[str] | None = None,
        config: str | None = None,
        model: nn.Module | None = None,
        cams_dir: str | os.PathLike | None = None,
        **kwargs,
    ):
        self.recipe = recipe
        self.model = model
        self.images = {image.image_id: image for image in images}
        names = None if classes is None else list(classes)
        head = getattr(model, 'head', None)
        number = getattr(head, 'num_classes', None if names is None else len(names))
        _check_classes(images, recipe, number)
        common = {'classifier': identity, 'classes': names}
        maps = saliency_identity(images, recipe.saliency.suffix)
        folders = {
            name: SeedFolder(
                Path(out, name),
                {**recipe.identity(name, maps=maps), **common},
                about=dict(config=config, name=name),
            )
            for name in recipe.names
        }
        super().__init__(folders, list(self.images), **kwargs)
        self.cams = None
        self.cam_scales = recipe.scales
        if cams_dir is not None:
            # A store may hold more scales than this recipe asks for, and is then kept so.
            stored = stored_cams(cams_dir, recipe.prefix).get('scales', [])
            if set(stored).issuperset(recipe.scales):
                self.cam_scales = tuple(stored)
            self.cams = SeedFolder(
                Path(cams_dir, recipe.prefix),
                {**common, 'scales': list(self.cam_scales), 'flip': recipe.flip},
                about=dict(config=config),
                suffix=CAM_SUFFIX,
                manifest=CAM_MANIFEST,
                remedy='Name another folder for the CAMs, or remove this one by hand: CAMs that '
                'are kept are never overwritten.',
            )

    def prepare(self, *, overwrite: bool = False) -> None:
        """Check the folders and create them, see :class:`MapRun`. CAMs are never removed."""
        if self.cams is not None:
            self.cams.check()
        super().prepare(overwrite=overwrite)
        if self.cams is not None:
            self.cams.prepare()

    def describe(self, *, overwrite: bool = False) -> str:
        """Check the folders, write nothing, and tell what a run would do, see :class:`MapRun`."""
        text = super().describe(overwrite=overwrite)
        if self.cams is None:
            return text
        self.cams.check()
        return f'{text}\n{self.cams.path}: {len(self.cams.finished())} CAMs are kept.'

    def run(self) -> MapReport:
        """Make what is missing, then the manifests, unless other processes have work left.

        Raises:
            RuntimeError: CAMs are missing and there is no model; or as in :meth:`MapRun.make`.
        """
        kept = set() if self.cams is None else self.cams.finished()
        without = [i for i in self.plan() if i not in kept] if self.model is None else []
        if without:
            raise RuntimeError(
                f'{len(without)} images have no CAMs in {self.cams and self.cams.path}, the first: '
                f'{without[0]}. Give a checkpoint to make them.'
            )
        report = self.make(
            functools.partial(self._job, kept), functools.partial(write_seeds, recipe=self.recipe)
        )
        if self.cams is not None:
            self.cams.complete(self.image_ids)
        return report

    def summary(self, report: MapReport, **kwargs) -> str:
        """Tell what a run did, see :meth:`MapReport.summary`."""
        noted = (
            f'are less than {self.recipe.saliency.sparse_share:.0%} salient: their seeds are '
            'nearly all background. seeds.threshold.sparse_fallback=True keeps their objects.'
        )
        return report.summary(noted=noted, **kwargs)

    def _job(self, kept: set[str], image_id: str, files: dict[str, Path]) -> tuple:
        image = self.images[image_id]
        cam_file = None if self.cams is None else self.cams.file(image_id)
        if image_id in kept:
            return image, cam_file, files
        try:
            return image, self._cams_of(image), files, cam_file
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise BadInputError(
                f'image {image.path} does not fit into the memory of the GPU; shrink it, its '
                'saliency map and its label map, or run with --device cpu'
            ) from None

    def _cams_of(self, image: SeedImage) -> ImageCAMs:
        """Compute the normalised CAMs of the present classes (Eq. 2 and 3)."""
        chosen, scales = list(image.class_ids), self.cam_scales
        if not chosen:
            return ImageCAMs((), {scale: np.zeros((0, 1, 1), np.float16) for scale in scales})
        pixels = read_image(image.path)
        maps = class_maps(self.model, pixels, scales=scales, flip=self.recipe.flip)
        maps = [normalize_cam(cam[chosen].cpu().numpy()).astype(np.float16) for cam in maps]
        return ImageCAMs(image.class_ids, dict(zip(scales, maps, strict=True)))


def write_seeds(
    image: SeedImage,
    cams: ImageCAMs | Path,
    files: dict[str, Path],
    cam_file: Path | None = None,
    *,
    recipe: SeedRecipe,
) -> bool:
    """Make the seeds of one image and write them to ``files`` (by name); runs in worker processes.

    ``cams`` may be the file that they are in; in ``cam_file`` they are kept as well. Returns
    whether saliency finds less than ``recipe.saliency.sparse_share`` of the image.
    """
    pixels = read_image(image.path)
    path = image.saliency_path
    saliency = None if path is None else read_saliency(path, pixels.shape[:2])
    if not isinstance(cams, ImageCAMs):
        cams = _kept_cams(cams, image)
    seeds = recipe.make(pixels, cams, saliency, list(files))
    # The CAMs first: an image whose seeds are there never lacks them.
    if cam_file is not None:
        write_atomically(cam_file, cams.encode())
    for name, seed in seeds.items():
        write_atomically(files[name], encode_label_map(seed))
    if saliency is None:
        return False
    return salient_share(saliency, recipe.threshold.background) < recipe.saliency.sparse_share


def _kept_cams(path: Path, image: SeedImage) -> ImageCAMs:
    try:
        cams = read_cams(path)
    except (OSError, ValueError) as error:
        raise BadInputError(str(error)) from error
    if cams.class_ids != image.class_ids:
        raise BadInputError(
            f'{path} holds the CAMs of the classes {cams.class_ids}, but the image has '
            f'{image.class_ids}; remove the file'
        )
    return cams


def recipe_of(config: Config, **changes) -> SeedRecipe:
    """Read the recipe ``seeds`` of a classifier's config.

    ``changes`` replace entries of it; None leaves one as it is. A ValueError says what is wrong.
    """
    options = config.get('seeds')
    if options is None:
        raise ValueError(
            f'{config.filename or "the config"} has no `seeds`, the recipe of its seeds. Add '
            "'../_base_/cam_seeds.py' to its _base_ and seeds = dict(prefix='NAME')."
        )
    changes = {name: value for name, value in changes.items() if value is not None}
    return SeedRecipe.from_dict({**options, **changes})


def seed_dataset(config: Config) -> Dataset:
    """Build the images to make seeds of: ``seed_dataset`` of a config, or its training set."""
    with DefaultScope.overwrite_default_scope(config.get('default_scope') or 'mmpretrain'):
        return DATASETS.build(config.get('seed_dataset') or config.train_dataloader.dataset)


def saliency_identity(images: Sequence[SeedImage], suffix: str) -> str | None:
    """Tell saliency maps from others, by a hash of the recipes in the manifests of mmws.

    None where nothing says how the maps were made, as for those of others.
    """
    recipes = []
    for folder in {image.map_folder(suffix) for image in images if image.saliency_path}:
        try:
            # Also of a folder to which maps are still being added.
            recipe = SeedFolder(folder, {}, manifest=SALIENCY_MANIFEST).stored_recipe()
        except ValueError:  # a file of that name which is not ours
            continue
        if recipe is not None:
            recipes.append(json.dumps(recipe, sort_keys=True))
    if not recipes:
        return None
    return hashlib.sha256('\n'.join(sorted(recipes)).encode()).hexdigest()[:16]


def stored_cams(cams_dir: str | os.PathLike, prefix: str) -> dict:
    """Read the recipe of the CAMs in ``<cams_dir>/<prefix>``; empty where there are none."""
    return SeedFolder(Path(cams_dir, prefix), {}, manifest=CAM_MANIFEST).stored_recipe() or {}


def build_generation(
    config: Config,
    checkpoint: str | None,
    out: str,
    *,
    scales: Sequence[float] | None = None,
    types: Sequence[str] | None = None,
    cams_dir: str | None = None,
    device: str | None = None,
    **kwargs,
) -> SeedGeneration:
    """Check a config, its data and its checkpoint, and say what seeds are to be made.

    Without a checkpoint of the classifier only CAMs that are kept are used. ``scales`` and
    ``types`` replace those of the recipe. The classifier runs on a GPU where there is one. Of
    several processes each makes its share of the images. The rest is as in :class:`SeedGeneration`.
    """
    recipe = recipe_of(config, scales=scales, types=types)
    dataset = seed_dataset(config)
    images = dataset_images(dataset, recipe)
    model = None
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes')
    if checkpoint is None:
        stored = stored_cams(cams_dir, recipe.prefix) if cams_dir else {}
        if not stored:
            raise ValueError(
                'without a checkpoint --cams must name a folder with CAMs of '
                f'{recipe.prefix!r}; {cams_dir} holds none.'
            )
        identity, classes = stored['classifier'], stored['classes']
    else:
        torch.backends.cudnn.deterministic = True  # a run that is continued makes the same seeds
        torch.backends.cudnn.benchmark = False
        model = load_classifier(config, checkpoint, device or own_device())
        built_from = {key: config.get(key) for key in ('model', 'data_preprocessor')}
        identity = model_identity(model, built_from)
        trained_on = model.dataset_meta['classes']
        if trained_on is not None and classes is not None and list(trained_on) != list(classes):
            raise ValueError(
                f'{checkpoint} was trained on the classes {", ".join(trained_on)}; the dataset '
                f'has {", ".join(classes)}.'
            )
        if classes is not None and len(classes) != model.head.num_classes:
            raise ValueError(
                f'the dataset has {len(classes)} classes, the head of {checkpoint} '
                f'{model.head.num_classes}: it was trained on another dataset.'
            )
    return SeedGeneration(
        images,
        recipe,
        out,
        identity=identity,
        classes=classes,
        config=config.filename,
        model=model,
        cams_dir=cams_dir,
        share=share_of_work()[:2],
        **kwargs,
    )


def _check_classes(images: Sequence[SeedImage], recipe: SeedRecipe, number: int | None) -> None:
    if number is None:
        return
    if recipe.labels is not None and len(recipe.labels) != number:
        raise ValueError(
            f'seeds.labels numbers {len(recipe.labels)} classes, the classifier has {number}: name '
            'the label of each class, or leave it out for class id + 1.'
        )
    for image in images:
        if max(image.class_ids, default=0) >= number:
            raise ValueError(
                f'image {image.image_id} has the class {max(image.class_ids)} (from 0), but the '
                f'classifier only {number} classes. Was it trained on another dataset?'
            )
