"""From a classifier to folders of seeds; what the tool and the hook both do."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import posixpath
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from mmws.classification.seed_job import SeedImage, SeedJob, run_job
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.image_file import BadInputError, read_image
from mmws.files.progress_bar import ProgressBar
from mmws.files.worker_pool import map_unordered
from mmws.seeds.cam import NotFiniteError, normalize_cam
from mmws.seeds.cam_store import CAM_MANIFEST, CAM_SUFFIX, ImageCAMs
from mmws.seeds.crf import load_pydensecrf
from mmws.seeds.recipe import SeedRecipe

_READ_AHEAD = 4


@dataclass
class SeedReport:
    """What a run did.

    Attributes:
        made: Number of images that seeds were written for.
        kept: Number of images whose seeds were all there already.
        failed: Image id -> why it has no seeds.
        sparse: Ids of the images, of those made, in which saliency finds hardly anything.
        rate: Images per second.
        missing: Number of images of the dataset that lack seeds, with the work of other processes.
        limited: Whether only the first images were to be done.
        shared: Whether other processes make the rest.
        complete: Whether all folders are complete, with the work of other processes.
    """

    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    sparse: list[str] = field(default_factory=list)
    rate: float = 0.0
    missing: int = 0
    limited: bool = False
    shared: bool = False
    complete: bool = False


def dataset_images(dataset, recipe: SeedRecipe) -> list[SeedImage]:
    """Lists a dataset's images with their classes, and checks that all files are there.

    Args:
        dataset: One of :mod:`mmws.classification`, mmpretrain's ``MultiLabelDataset``, or a
            wrapper around such. Its pipeline is not used.
        recipe: Tells whether saliency maps are needed and where they are.

    Raises:
        FileNotFoundError: Images or saliency maps are missing.
        ValueError: Two images have one id, an id would name a file elsewhere, or the classes of an
            image are none, twice the same or no indices.
    """
    images = [
        _image_of(leaf, leaf.get_data_info(index), recipe)
        for leaf in _leaves(dataset)
        for index in range(len(leaf))
    ]
    twice = [image_id for image_id, n in Counter(i.image_id for i in images).items() if n > 1]
    if twice:
        raise ValueError(
            f'{len(twice)} image ids occur more than once, the first: {twice[0]}. Seeds are named '
            'by image id, so each may occur once.'
        )
    astray = [image for image in images if not _names_a_file_inside(image.image_id)]
    if astray:
        raise ValueError(
            f'{len(astray)} of {len(images)} image ids would name files outside the folders of '
            f'seeds, or hidden ones, the first: {astray[0].image_id!r} of {astray[0].path}. Set '
            "data_root and data_prefix to the images' folder, or give each sample an image_id "
            "without '..'."
        )
    without = [image.image_id for image in images if not image.class_ids]
    if without:
        raise ValueError(
            f'{len(without)} of {len(images)} images have no class, the first: {without[0]}. '
            'Label them, or take them off the list of the dataset.'
        )
    for image in images:
        if min(image.class_ids) < 0 or len(set(image.class_ids)) < len(image.class_ids):
            raise ValueError(
                f'image {image.image_id} has the classes {list(image.class_ids)}: gt_label must '
                'list the indices of the classes that are present, from 0 and each once.'
            )
    _check_files('images', [image.path for image in images])
    if recipe.saliency.source == 'map':
        folder = _map_folder(images[0], recipe.saliency.suffix) if images else ''
        _check_files(
            'saliency maps',
            [image.saliency_path for image in images],
            ' Make them with: python tools/generate_saliency.py CONFIG CHECKPOINT IMAGES --out '
            f"{folder}, see docs/saliency.md. Data without any: seeds.saliency=dict(source='cam').",
        )
    return images


def recipe_of(config: Config, **changes) -> SeedRecipe:
    """Reads the recipe of a classifier's config.

    Args:
        config: Config of stage one with the dict ``seeds``.
        **changes: Replace entries of it; None leaves one as it is.

    Raises:
        ImportError: They include CRF seeds, and pydensecrf is not installed.
        ValueError: The config has no ``seeds``, or they make no sense.
    """
    options = config.get('seeds')
    if options is None:
        raise ValueError(
            f'{config.filename or "the config"} has no `seeds`, the recipe of its seeds. Add '
            "'../_base_/cam_seeds.py' to its _base_ and seeds = dict(prefix='NAME')."
        )
    changes = {name: value for name, value in changes.items() if value is not None}
    recipe = SeedRecipe.from_dict({**options, **changes})
    if 'crf' in recipe.types:
        load_pydensecrf()
    return recipe


def classifier_identity(model: nn.Module, config: Config) -> dict:
    """What tells one classifier from another: hashes of its weights and of its model config.

    The same for a checkpoint file and for the model that training has just ended with.
    """
    digest = hashlib.sha256()
    for name, value in sorted({**dict(model.named_buffers()), **model.state_dict()}.items()):
        value = value.detach().cpu().contiguous()
        digest.update(f'{name} {value.dtype} {tuple(value.shape)}\n'.encode())
        digest.update(value.flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b'')
    wanted = {key: config.get(key) for key in ('model', 'data_preprocessor')}
    text = json.dumps(_without_initialisation(wanted), sort_keys=True, default=str)
    return {
        'weights_sha256': digest.hexdigest(),
        'model_sha256': hashlib.sha256(text.encode()).hexdigest(),
    }


def saliency_identity(images: Sequence[SeedImage], suffix: str) -> str | None:
    """What tells saliency maps from others: a hash of the recipes in the manifests of mmws.

    Args:
        images: With the paths of their maps.
        suffix: Ending of the maps.

    Returns:
        None where nothing says how the maps were made, as for those of others.
    """
    recipes = []
    for folder in {_map_folder(image, suffix) for image in images if image.saliency_path}:
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
    """By what the CAMs in ``<cams_dir>/<prefix>`` were made; empty where there are none."""
    return SeedFolder(Path(cams_dir, prefix), {}, manifest=CAM_MANIFEST).stored_recipe() or {}


def image_cams(
    model: nn.Module,
    image: np.ndarray,
    class_ids: Sequence[int],
    *,
    scales: Sequence[float],
    flip: bool = False,
) -> ImageCAMs:
    """Computes the normalised CAMs of the present classes (Eq. 2 and 3).

    Args:
        model: A classifier of :mod:`mmws.classification`.
        image: (H, W, 3) uint8, RGB.
        class_ids: Present classes, from 0, ascending.
        scales: Factors of the image's size.
        flip: Average with the mirror image's class maps.
    """
    from mmws.classification import class_maps  # needs mmpretrain, which stage two does not

    maps = class_maps(model, image, scales=scales, flip=flip)
    chosen = list(class_ids)
    return ImageCAMs(
        tuple(class_ids),
        {
            scale: normalize_cam(cam[chosen].cpu().numpy()).astype(np.float16)
            for scale, cam in zip(scales, maps, strict=True)
        },
    )


class SeedGeneration:
    """Makes the seeds of many images; may be stopped at any moment and run again.

    The model makes CAMs in this process and feeds worker processes, which read the images, run
    the CRF and write the files, so that GPU and cores work at once.

    Args:
        images: All images, the same list in every process that takes part.
        recipe: How to make the seeds.
        out: SEED_ROOT; each seed gets a folder in it.
        identity: Which classifier, see :func:`classifier_identity`.
        classes: Names of the classes, without background; for the manifests.
        about: What else the manifests shall tell.
        model: The classifier, in evaluation mode on its device. None if all CAMs are in
            ``cams_dir`` already.
        cams_dir: Keep the CAMs here, in ``<prefix>/<image id>.npz``, and use those that are there.
        workers: Number of worker processes; 0 does all in this one.
        rank: This process's number among those that share the work.
        world_size: How many those are. Each makes every ``world_size``-th image.
        limit: Only the first so many images; the folders then stay unfinished.

    Raises:
        ValueError: Arguments that make no sense.
    """

    def __init__(
        self,
        images: Sequence[SeedImage],
        recipe: SeedRecipe,
        out: str | os.PathLike,
        *,
        identity: dict,
        classes: Sequence[str] | None = None,
        about: dict | None = None,
        model: nn.Module | None = None,
        cams_dir: str | os.PathLike | None = None,
        workers: int = 1,
        rank: int = 0,
        world_size: int = 1,
        limit: int | None = None,
    ):
        if workers < 0:
            raise ValueError(f'workers must be >= 0; got {workers}.')
        if limit is not None and limit < 1:
            raise ValueError(f'limit is a number of images and must be >= 1; got {limit}.')
        self.all_ids = [image.image_id for image in images]
        self.images = list(images[:limit])[rank::world_size]
        self.recipe = recipe
        self.model = model
        self.workers = workers
        self.limited = limit is not None and limit < len(images)
        self.shared = world_size > 1
        names = None if classes is None else list(classes)
        number = getattr(getattr(model, 'head', None), 'num_classes', None)
        number = number if names is None else len(names)
        highest = max(images, key=lambda image: max(image.class_ids), default=None)
        if None not in (number, highest) and max(highest.class_ids) >= number:
            raise ValueError(
                f'image {highest.image_id} has the class {max(highest.class_ids)} (from 0), but '
                f'the classifier only {number} classes. Was it trained on another dataset?'
            )
        common = {'classifier': identity, 'classes': names}
        about = about or {}
        maps = saliency_identity(images, recipe.saliency.suffix)
        self.folders = {
            name: SeedFolder(
                Path(out, name),
                {**recipe.identity(name, maps=maps), **common},
                about={**about, 'name': name},
            )
            for name in recipe.names
        }
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
                about=about,
                suffix=CAM_SUFFIX,
                manifest=CAM_MANIFEST,
                remedy='Name another folder for the CAMs, or remove this one by hand: CAMs that '
                'are kept are never overwritten.',
            )

    def prepare(self, *, overwrite: bool = False) -> None:
        """Checks the output folders and creates them.

        Args:
            overwrite: Empty seed folders first, but for those that this recipe has begun and not
                finished: a run that was stopped is continued. Kept CAMs are never removed. Of
                several processes only one may do so, before the others start.

        Raises:
            FileExistsError: A folder was made by another recipe, or, with ``overwrite`` too, by
                something else.
        """
        folders = list(self.folders.values())
        if self.cams is not None:
            self.cams.check()
        # All are checked before the first is emptied or made.
        for folder in folders:
            folder.check(overwrite=overwrite)
        if overwrite:
            for folder in self._to_empty():
                folder.clear()
        for folder in folders + ([] if self.cams is None else [self.cams]):
            folder.prepare()

    def _to_empty(self) -> list[SeedFolder]:
        """The folders that --overwrite is about."""
        return [
            folder
            for folder in self.folders.values()
            if folder.is_complete or folder.stored_recipe() != folder.recipe
        ]

    def plan(self) -> list[tuple[SeedImage, list[str]]]:
        """This process's images that lack seeds, and which."""
        finished = {name: folder.finished() for name, folder in self.folders.items()}
        missing = [
            (image, [name for name in finished if image.image_id not in finished[name]])
            for image in self.images
        ]
        return [(image, names) for image, names in missing if names]

    def describe(self, *, overwrite: bool = False) -> str:
        """Checks the folders, writes nothing, and tells what a run would do.

        Raises:
            FileExistsError: A folder was made by another recipe, and may not be overwritten.
        """
        for folder in self.folders.values():
            folder.check(overwrite=overwrite)
        emptied = self._to_empty() if overwrite else []
        mine = {image.image_id for image in self.images}
        there = {
            name: set() if folder in emptied else mine & folder.finished()
            for name, folder in self.folders.items()
        }
        todo = mine - set.intersection(*there.values())
        lines = [
            f'{len(todo)} of {len(self.all_ids)} images to do, {len(self.folders)} seeds each, on '
            f'{self.workers} workers.'
        ]
        if self.cams is not None:
            self.cams.check()
            lines.append(f'{self.cams.path}: {len(self.cams.finished())} CAMs are kept.')
        for name, folder in self.folders.items():
            kept = f'{len(there[name])} are there'
            if folder in emptied and folder.stored_recipe() is not None:
                kept = 'what is there goes first'
            lines.append(f'{folder.path}: {len(mine) - len(there[name])} to make, {kept}.')
        return '\n'.join(lines)

    def run(self) -> SeedReport:
        """Makes what is missing, then the manifests, unless other processes have work left.

        Raises:
            OSError: A file cannot be written, such as on a full disk.
            RuntimeError: A worker died, or CAMs are missing and there is no model.
        """
        plan = self.plan()
        report = SeedReport(
            kept=len(self.images) - len(plan), limited=self.limited, shared=self.shared
        )
        stored = self.cams.finished() if self.cams is not None else set()
        without = [image.image_id for image, _ in plan if image.image_id not in stored]
        if self.model is None and without:
            raise RuntimeError(
                f'{len(without)} of {len(plan)} images have no CAMs in '
                f'{self.cams.path if self.cams else None}, the first: {without[0]}. Give a '
                'checkpoint to make them.'
            )
        if plan:
            for folder in self.folders.values():
                folder.reopen()
            bar = ProgressBar(len(plan))
            results = map_unordered(
                functools.partial(run_job, recipe=self.recipe),
                self._jobs(plan, stored, report, bar),
                workers=min(self.workers, len(plan)),
                preload='mmws.classification.seed_job',
            )
            for result in results:
                if result.problem is not None:
                    report.failed[result.image_id] = result.problem
                else:
                    report.made += 1
                share = result.salient_share
                if share is not None and share < self.recipe.saliency.sparse_share:
                    report.sparse.append(result.image_id)
                bar.advance()
            report.rate = bar.rate
            bar.close()
        report.sparse.sort()
        done = [folder.complete(self.all_ids) for folder in self.folders.values()]
        if self.cams is not None:
            self.cams.complete(self.all_ids)
        report.complete = all(done)
        if not report.complete:
            finished = [folder.finished() for folder in self.folders.values()]
            report.missing = len(set(self.all_ids) - set.intersection(*finished))
        return report

    def _jobs(
        self, plan: list, stored: set[str], report: SeedReport, bar: ProgressBar
    ) -> Iterator[SeedJob]:
        """Pairs each image with its CAMs, made on the way where they are not stored."""
        with ThreadPoolExecutor(2) as readers:
            ahead: deque = deque()
            position = 0
            while position < len(plan) or ahead:
                while position < len(plan) and len(ahead) < _READ_AHEAD:
                    image, names = plan[position]
                    read = None
                    if image.image_id not in stored:
                        read = readers.submit(read_image, image.path)
                    ahead.append((image, names, read))
                    position += 1
                image, names, read = ahead.popleft()
                files = {name: str(self.folders[name].file(image.image_id)) for name in names}
                kept = None if self.cams is None else str(self.cams.file(image.image_id))
                if read is None:
                    yield SeedJob(image, kept, files)
                    continue
                try:
                    cams = image_cams(
                        self.model,
                        read.result(),
                        image.class_ids,
                        scales=self.cam_scales,
                        flip=self.recipe.flip,
                    )
                except (BadInputError, NotFiniteError) as problem:
                    report.failed[image.image_id] = str(problem)
                    bar.advance()
                    continue
                except torch.cuda.OutOfMemoryError:
                    torch.cuda.empty_cache()
                    report.failed[image.image_id] = (
                        f'image {image.path} does not fit into the memory of the GPU; shrink it, '
                        'its saliency map and its label map, or run with --device cpu'
                    )
                    bar.advance()
                    continue
                yield SeedJob(image, cams, files, kept)


def merge_reports(reports: Sequence[SeedReport]) -> SeedReport:
    """Adds up what the processes of one run did; each has made its share of the same images."""
    failed = {image_id: why for report in reports for image_id, why in report.failed.items()}
    return SeedReport(
        made=sum(report.made for report in reports),
        kept=sum(report.kept for report in reports),
        failed=dict(sorted(failed.items())),
        sparse=sorted(image_id for report in reports for image_id in report.sparse),
        rate=sum(report.rate for report in reports),
        # The last one to look saw the work of all.
        missing=min(report.missing for report in reports),
        limited=any(report.limited for report in reports),
        complete=any(report.complete for report in reports),
    )


def log_report(
    report: SeedReport, recipe: SeedRecipe, *, again: str = 'run the same command again'
) -> None:
    """Tells what a run did, what it left out, and what the user should look at.

    Args:
        report: What it did.
        recipe: Of the seeds.
        again: How to go on, as an imperative.
    """

    def tell(text: str) -> None:
        print_log(text, logger='current')

    tell(
        f'Seeds of {report.made} images made'
        + (f' ({report.rate:.3g} images/s)' if report.made else '')
        + f', {report.kept} were there already.'
    )
    if report.sparse:
        tell(
            f'Saliency finds less than {recipe.saliency.sparse_share:.0%} in {len(report.sparse)} '
            f'of the {report.made} images made in this run, the first: {report.sparse[0]}. Their '
            'seeds are nearly all background; seeds.threshold.sparse_fallback=True keeps their '
            'objects.'
        )
    if report.failed:
        shown = list(report.failed.items())[:5]
        tell(
            f'{len(report.failed)} images were skipped:\n'
            + '\n'.join(f'  {image_id}: {problem}' for image_id, problem in shown)
            + ('\n  ...' if len(report.failed) > len(shown) else '')
        )
    if not report.complete:
        tell(f'The folders are not complete yet. {_what_to_do(report, again)}')


def _what_to_do(report: SeedReport, again: str) -> str:
    """Advice for a run whose folders are not complete, by why they are not."""
    left = report.missing - len(report.failed)
    advice = []
    if report.failed:
        advice.append(
            'Correct the images that were skipped, or take them off the list of the dataset, and '
            f'{again}.'
        )
    if left and report.limited:
        advice.append(
            f'{left} images are left out so far: to make them too, {again} without limit.'
        )
    elif left and report.shared:
        advice.append(
            f'{left} images are left to the other processes, the last of which completes the '
            f'folders. If one of them was stopped, {again}.'
        )
    elif left:
        advice.append(f'{left} images are left: {again} to continue.')
    return ' '.join(advice)


def _leaves(dataset) -> Iterator:
    """The datasets inside wrappers such as RepeatDataset and ConcatDataset."""
    if hasattr(dataset, 'datasets'):
        for part in dataset.datasets:
            yield from _leaves(part)
    elif hasattr(dataset, 'dataset'):
        yield from _leaves(dataset.dataset)
    else:
        dataset.full_init()
        yield dataset


def _image_of(dataset, info: dict, recipe: SeedRecipe) -> SeedImage:
    path = info['img_path']
    image_id = info.get('image_id')
    if image_id is None:
        prefix = getattr(dataset, 'img_prefix', None) or dataset.data_prefix.get('img_path', '')
        name = os.path.relpath(path, prefix) if prefix else os.path.basename(path)
        image_id = os.path.splitext(name)[0].replace(os.sep, '/')
    saliency = None
    if recipe.saliency.source == 'map':
        folder = os.path.join(dataset.data_root or '', recipe.saliency.folder)
        saliency = os.path.join(folder, f'{image_id}{recipe.saliency.suffix}')
    classes = np.atleast_1d(np.asarray(info.get('gt_label', ())))
    if len(classes) and classes.dtype.kind not in 'iu':
        raise ValueError(
            f'{path} has the gt_label {classes.tolist()}; it must list class indices, from 0.'
        )
    return SeedImage(image_id, path, tuple(sorted(int(c) for c in classes)), saliency)


def _names_a_file_inside(image_id: str) -> bool:
    """Whether an id, used as a path, stays in its folder and is the only way to write that path."""
    first, last = image_id.split('/')[0], image_id.split('/')[-1]
    return (
        posixpath.normpath(image_id) == image_id
        and first not in ('', '..')
        and not last.startswith('.')
    )


def _map_folder(image: SeedImage, suffix: str) -> str:
    """The folder of the maps, below which an id may have folders of its own."""
    return image.saliency_path.removesuffix(f'{image.image_id}{suffix}').rstrip('/') or '.'


def _check_files(what: str, paths: Sequence[str], hint: str = '') -> None:
    from mmws.classification.datasets.image_level_dataset import missing_files

    missing = missing_files(paths)
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} {what} are missing, the first: {missing[0]}.{hint}'
        )


def _without_initialisation(value):
    """A config without what training starts from, which does not matter afterwards."""
    if isinstance(value, dict):
        return {
            key: _without_initialisation(item)
            for key, item in value.items()
            if key not in ('init_cfg', 'pretrained')
        }
    if isinstance(value, (list, tuple)):
        return [_without_initialisation(item) for item in value]
    return value
