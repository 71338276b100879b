"""Writes the saliency maps of a folder of images; may be stopped at any moment and run again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS

from mmws.files.find_images import IMAGE_SUFFIXES, FoundImages, find_images, read_ids
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.image_file import BadInputError, read_image
from mmws.files.progress_bar import ProgressBar
from mmws.files.worker_pool import map_unordered
from mmws.seeds.crf import CRFOptions, load_pydensecrf
from mmws.seeds.recipe import fill

from .dss import DSS
from .write_map import MapJob, shrink, write_map


@dataclass
class SaliencyReport:
    """What a run did.

    Attributes:
        made: Number of maps written.
        kept: Number of maps that were there already.
        failed: Image id -> why it has no map.
        flat: Ids of the images, of those made, for which the network's map has no contrast.
        left: Number of images without a map that this run did not try.
        complete: Whether the folder is complete, with the work of other processes.
    """

    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    flat: list[str] = field(default_factory=list)
    left: int = 0
    complete: bool = False


class SaliencyGeneration:
    """Makes ``OUT/<image id>.png``, 8-bit grey and of the image's size, for every image.

    With a CRF, the model works in this process and feeds worker processes, which refine and write.

    Args:
        images: Path of each image by its id, see :func:`find_images`.
        out: Folder of the maps.
        recipe: What the maps depend on, besides what is said here; a folder that another recipe
            has made is refused.
        model: In evaluation mode, on its device.
        pipeline: Of the test data; what loads files in it is left out.
        crf: Those options of :func:`refine_saliency` that are not the default; None for no CRF.
        longest: Larger images are shrunk to this longer side for the network.
        workers: Number of worker processes for the CRF; 0 does all in this one.
        shard: (i, n): only the i-th of n parts of the images, from 1.
        limit: Only the first so many images.

    Raises:
        ImportError: A CRF is asked for, and pydensecrf is not installed.
        ValueError: Arguments that make no sense.
    """

    def __init__(
        self,
        images: dict[str, str],
        out: str | os.PathLike,
        *,
        recipe: dict,
        model: DSS,
        pipeline: list[dict],
        crf: dict | None = None,
        longest: int | None = None,
        workers: int = 1,
        shard: tuple[int, int] = (1, 1),
        limit: int | None = None,
    ):
        index, count = shard
        if not 1 <= index <= count:
            raise ValueError(f'shard i/n needs 1 <= i <= n; got {index}/{count}.')
        for name, value in (('limit', limit), ('longest', longest)):
            if value is not None and value < 1:
                raise ValueError(f'{name} must be >= 1; got {value}.')
        if workers < 0:
            raise ValueError(f'workers must be >= 0; got {workers}.')
        self.images = images
        self.mine = sorted(images)[:limit][index - 1 :: count]
        self.model = model
        self.predict = Predictor(model, pipeline, longest=longest)
        self.crf = None if crf is None else asdict(fill(CRFOptions, crf, '--crf-options'))
        if crf is not None:
            load_pydensecrf()
        self.workers = workers
        self.folder = SeedFolder(
            out,
            {**recipe, 'crf': self.crf, 'longest': longest, 'pipeline': self.predict.steps},
            manifest=SALIENCY_MANIFEST,
        )

    def run(self) -> SaliencyReport:
        """Makes what is missing, then the manifest, if no other process has work left.

        Raises:
            FileExistsError: Another recipe made the folder.
            OSError: A map cannot be written.
            ValueError: The network's output is not finite.
        """
        self.folder.prepare()
        finished = self.folder.finished()
        missing = [image_id for image_id in self.mine if image_id not in finished]
        report = SaliencyReport(kept=len(self.mine) - len(missing))
        if missing:
            self.folder.reopen()
            bar = ProgressBar(len(missing))
            for _ in map_unordered(
                write_map,
                self._jobs(missing, report, bar),
                # Without a CRF the network takes all the time.
                workers=0 if self.crf is None else min(self.workers, len(missing)),
                preload='mmws.saliency.write_map',
            ):
                report.made += 1
                bar.advance()
            bar.close()
        report.flat.sort()
        report.left = len(self.images.keys() - self.folder.finished() - report.failed.keys())
        report.complete = self.folder.complete(list(self.images))
        return report

    def _jobs(self, ids: list[str], report: SaliencyReport, bar: ProgressBar) -> Iterator[MapJob]:
        for image_id in ids:
            try:
                image = read_image(self.images[image_id])
                saliency = self.predict(image, self.images[image_id])
            except BadInputError as problem:
                report.failed[image_id] = str(problem)
                bar.advance()
                continue
            except torch.cuda.OutOfMemoryError:
                torch.cuda.empty_cache()
                report.failed[image_id] = (
                    f'{self.images[image_id]} ({image.shape[1]} x {image.shape[0]} pixels) does '
                    'not fit into the memory of the GPU; shrink large images with --max-size'
                )
                bar.advance()
                continue
            if saliency.min() == saliency.max():
                report.flat.append(image_id)
            yield MapJob(
                saliency,
                str(self.folder.file(image_id)),
                None if self.crf is None else image,
                self.crf,
            )


class Predictor:
    """Applies a model of saliency to arrays.

    Args:
        model: In evaluation mode, on its device.
        pipeline: Of the test data; what loads files in it is left out.
        longest: Larger images are shrunk to this longer side for the network.
    """

    def __init__(self, model: DSS, pipeline: list[dict], *, longest: int | None = None):
        self.model = model
        self.longest = longest
        # Nothing is read from files but the image, which the caller has read.
        self.steps = [
            step.to_dict() if isinstance(step, Config) else dict(step)
            for step in pipeline
            if not step['type'].rsplit('.', 1)[-1].startswith('Load')
        ]
        with DefaultScope.overwrite_default_scope('mmseg'):
            self._pipeline = Compose(
                [TRANSFORMS.build(step) for step in ({'type': 'LoadImageFromNDArray'}, *self.steps)]
            )

    @torch.no_grad()
    def __call__(self, image: np.ndarray, path: str = 'an image') -> np.ndarray:
        """Computes the map of an image.

        Args:
            image: (H, W, 3) uint8, RGB.
            path: Names the image in errors.

        Returns:
            (H, W) float32 in [0, 1].

        Raises:
            ValueError: The network's output is not finite.
        """
        # mmseg's pipelines work on BGR.
        image = np.ascontiguousarray(image[..., ::-1])
        data = pseudo_collate([self._pipeline(dict(img=shrink(image, self.longest)))])
        # The model enlarges the map to this size before it stretches the values.
        data['data_samples'][0].set_metainfo(dict(ori_shape=image.shape[:2], img_path=path))
        (sample,) = self.model.test_step(data)
        return sample.pred_saliency.data[0].float().cpu().numpy()


def find_all_images(
    folder: str | os.PathLike,
    *,
    listed: str | os.PathLike | None = None,
    out: str | os.PathLike | None = None,
) -> FoundImages:
    """Finds the images of a folder, or those of a list.

    Args:
        folder: Where they are.
        listed: A text file that names some of them, see :func:`read_ids`.
        out: Where the maps go. It may lie in ``folder``, and no image is looked for there.

    Raises:
        FileNotFoundError: The folder, the list or a listed image is not there.
        ValueError: There is no image, two have one id, or ``out`` is or holds ``folder``.
    """
    if out is not None:
        _check_out(Path(folder).resolve(), Path(out).resolve())
    found = find_images(folder, leave_out=out)
    if not found.images:
        raise ValueError(
            f'there is no image in {folder}: {len(found.skipped)} files, of which none ends with '
            f'{", ".join(IMAGE_SUFFIXES)}.'
        )
    if listed is None:
        return found
    ids = read_ids(listed, found.images)
    missing = [image_id for image_id in ids if image_id not in found.images]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(ids)} images in {listed} are not in {folder}, the first: '
            f'{missing[0]}.'
        )
    if not ids:
        raise ValueError(f'the list {listed} names no image.')
    return FoundImages({image_id: found.images[image_id] for image_id in ids}, [])


def _check_out(folder: Path, out: Path) -> None:
    if out == folder or out in folder.parents:
        relation = 'is' if out == folder else 'holds'
        raise ValueError(
            f'the output folder {out} {relation} the folder of the images, {folder}. Maps and '
            f'images would mix: choose one beside it, such as {folder.parent / "saliency"}.'
        )
