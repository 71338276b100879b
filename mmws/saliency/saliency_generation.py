"""Make saliency maps of a folder of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import TRANSFORMS

from mmws.files.find_images import FoundImages, find_images
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.id_list import IMAGE_SUFFIXES
from mmws.files.image_file import BadInputError, read_image
from mmws.files.map_run import MapReport, MapRun
from mmws.seeds.crf import CRFOptions
from mmws.seeds.seed_recipe import fill

from .dss import DSS
from .saliency_dataset import listed_ids
from .write_map import MapJob, shrink, write_map


class SaliencyGeneration(MapRun):
    """Make ``OUT/<image id>.png``, 8-bit grey and of the image's size, for every image.

    With a CRF, the model works in this process and feeds worker processes, which refine and write.

    Args:
        images: Path of each image by its id, see :func:`find_images`.
        out: Folder of the maps.
        predict: Computes the map of an image, as :class:`Predictor` and
            :class:`mmws.saliency.onnx_saliency.ONNXSaliency` do: called with the RGB image and its
            path.
        recipe: What the maps depend on, besides the CRF; a folder that another recipe has made is
            refused.
        crf: Those options of :func:`refine_saliency` that are not the default; None for no CRF.
        workers: Number of worker processes for the CRF; 0 does all in this one.
        **kwargs: ``share`` and ``limit`` as in :class:`MapRun`.

    Raises:
        ValueError: Arguments that make no sense.
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
        self.crf = None if crf is None else crf_options(crf)
        folder = SeedFolder(out, {**recipe, 'crf': self.crf}, manifest=SALIENCY_MANIFEST)
        # Without a CRF the network takes all the time.
        workers = workers if self.crf or workers < 0 else 0
        super().__init__({'saliency': folder}, sorted(images), workers=workers, **kwargs)

    def run(self) -> MapReport:
        """Make what is missing; the report notes the maps without contrast.

        Raises:
            OSError: A map cannot be written.
            ValueError: The network's output is not finite.
        """
        return self.make(self._job, write_map)

    def _job(self, image_id: str, files: dict[str, Path]) -> MapJob:
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
        return MapJob(saliency, files['saliency'], image if self.crf else None, self.crf)


class Predictor:
    """Apply a saliency model to arrays.

    Args:
        model: In evaluation mode, on its device.
        pipeline: Of the test data; what loads files in it is left out.
        longest: Larger images are shrunk to this longer side for the network.

    Attributes:
        recipe: The options, for the recipe of the maps.

    Raises:
        ValueError: ``longest`` is below 1.
    """

    def __init__(self, model: DSS, pipeline: list[dict], *, longest: int | None = None):
        if longest is not None and longest < 1:
            raise ValueError(f'longest must be >= 1; got {longest}.')
        self.model = model
        self.longest = longest
        # Nothing is read from files but the image, which the caller has read.
        steps = [
            step.to_dict() if isinstance(step, Config) else dict(step)
            for step in pipeline
            if not step['type'].rsplit('.', 1)[-1].startswith('Load')
        ]
        self.recipe = {'longest': longest, 'pipeline': steps}
        with DefaultScope.overwrite_default_scope('mmseg'):
            self._pipeline = Compose(
                [TRANSFORMS.build(step) for step in ({'type': 'LoadImageFromNDArray'}, *steps)]
            )

    @torch.no_grad()
    def __call__(self, image: np.ndarray, path: str = 'an image') -> np.ndarray:
        """Compute the map of an image.

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
    """Find the images of a folder, or those of a list.

    Args:
        folder: Where they are.
        listed: A text file that names some of them, see :func:`listed_ids`.
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
    ids = listed_ids(listed, found.images, folder)
    return FoundImages({image_id: found.images[image_id] for image_id in ids}, [])


def crf_options(given: Mapping[str, float]) -> dict[str, float]:
    """Complete the options of the CRF by their defaults.

    Raises:
        ValueError: An unknown option, or a value that makes no sense.
    """
    return asdict(fill(CRFOptions, given, 'the CRF'))


def _check_out(folder: Path, out: Path) -> None:
    if out == folder or out in folder.parents:
        relation = 'is' if out == folder else 'holds'
        raise ValueError(
            f'the output folder {out} {relation} the folder of the images, {folder}. Maps and '
            f'images would mix: choose one beside it, such as {folder.parent / "saliency"}.'
        )
