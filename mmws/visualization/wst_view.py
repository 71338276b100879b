"""The seeds of training images and how far a model believes them, as numbers and pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from torch import nn

from mmws.checkpoint import load_weights, read_checkpoint, unwrap_model
from mmws.datasets import LoadMultiSeedAnnotations, MultiSeedDataset, PackMultiSeedInputs
from mmws.datasets.multi_seed_dataset import seed_datasets
from mmws.files.label_map import UNKNOWN
from mmws.models.seed_losses import find_wst_losses
from mmws.seeds.vote import vote
from mmws.visualization.wst_sheet import wst_sheet

# Of whose seeds the shares of the classes are counted for a balanced loss.
_COUNTED_IMAGES = 32


class WeighedSeeds(NamedTuple):
    """A training image, its seeds, and how far a model believes them.

    Attributes:
        image_id: Its path in the image folder, without ending.
        image: (H, W, 3) uint8, RGB.
        prediction: (H, W) uint8, what the model says.
        names: Of the K seeds that the image has.
        seeds: (K, H, W) uint8, 255 unknown.
        weights: (K, H, W) float32 in [0, 1], Eq. 6.
        gt: (H, W) uint8 ground truth, 255 unknown; None where none was asked for.
    """

    image_id: str
    image: np.ndarray
    prediction: np.ndarray
    names: list[str]
    seeds: np.ndarray
    weights: np.ndarray
    gt: np.ndarray | None


class WSTView:
    """Looks at images of a training set, whole and without augmentation.

    Args:
        dataset: With a :class:`MultiSeedDataset` in it.
        head: Whose loss says how the weights are computed (``scale``, ``unknown``).
        gt_dir: Folder of ground-truth label maps, named as the seeds are; it is shown and compared
            with, nothing learns from it.

    Raises:
        ValueError: The dataset has no seeds.
    """

    def __init__(self, dataset, *, head: str = 'decode_head', gt_dir: str | Path | None = None):
        self._parts: list[MultiSeedDataset] = list(seed_datasets(dataset))
        if not self._parts:
            raise ValueError(
                'WST weights are computed for images with seeds: the training dataset must hold a '
                f'mmws.MultiSeedDataset; found {type(dataset).__name__}.'
            )
        self._head = head
        self._gt_dir = gt_dir
        self.classes: list[str] = list(self._parts[0].metainfo['classes'])
        self._palette = self._parts[0].metainfo['palette']

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def image_ids(self) -> list[str]:
        """The path of each image in its folder, without ending."""
        return [
            part.image_id(part.get_data_info(i)) for part in self._parts for i in range(len(part))
        ]

    def weigh(self, model: nn.Module, index: int) -> WeighedSeeds:
        """The seeds of one image, the model's prediction, and the weights that follow.

        The model is left as it was, and no random number is drawn.

        Args:
            model: A segmentor; wrapped or not.
            index: Of the image, counted through all parts of the dataset.

        Raises:
            FileNotFoundError: The image has no ground truth in ``gt_dir``.
            ValueError: The head has no loss that takes seeds.
        """
        model = unwrap_model(model)
        losses = find_wst_losses(model, self._head)
        if not losses:
            raise ValueError(
                f'{type(model).__name__} has no loss that takes seeds in {self._head!r}. Is it a '
                'mmws.MultiSeedSegmentor?'
            )
        part, info = self._find(index)
        sample, gt = self._load(part, info)
        with torch.no_grad(), _evaluating(model):
            batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
            logits = model.test_step(batch)[0].seg_logits.data.float().cpu()
        if logits.shape[0] == 1:  # mmseg gives the probability of its binary form
            logits = logits.logit(1e-6)
        maps = sample['data_samples'].gt_seeds.data
        present = sample['data_samples'].metainfo['seed_present']
        if gt is not None:
            maps, present = maps[:-1], present[:-1]
        kept = [k for k, has in enumerate(present) if has]
        view = losses[0].view(
            logits[None],
            maps[None],
            UNKNOWN,
            present=torch.tensor([present]),
            shares=self._shares if losses[0].balance else None,
        )
        return WeighedSeeds(
            part.image_id(info),
            np.ascontiguousarray(sample['inputs'].numpy().transpose(1, 2, 0)[..., ::-1]),
            view.logits[0].argmax(0).numpy().astype(np.uint8),
            [part.seed_names[k] for k in kept],
            maps[kept].numpy(),
            view.weights[0, kept].numpy(),
            gt,
        )

    def draw(self, model: nn.Module, index: int) -> tuple[str, np.ndarray]:
        """As :meth:`weigh`, as a picture.

        Returns:
            Its ``image_id``, and (height, width, 3) uint8, RGB.
        """
        seen = self.weigh(model, index)
        maps = {'online prediction': seen.prediction, 'majority vote': vote(seen.seeds)}
        if seen.gt is not None:
            maps['ground truth'] = seen.gt
        sheet = wst_sheet(
            seen.image,
            maps,
            dict(zip(seen.names, seen.seeds, strict=True)),
            dict(zip(seen.names, seen.weights, strict=True)),
            self.classes,
            self._palette,
            title=seen.image_id,
        )
        return seen.image_id, sheet

    def _find(self, index: int) -> tuple[MultiSeedDataset, dict]:
        for part in self._parts:
            if index < len(part):
                break
            index -= len(part)
        return part, part.get_data_info(index)

    @cached_property
    def _shares(self) -> torch.Tensor:
        """Count the shares of the classes, which a balanced loss takes from whole batches."""
        counts = np.zeros(256)
        for index in spread(_COUNTED_IMAGES, len(self)):
            part, info = self._find(index)
            seeds = _whole_image(part)(info)['data_samples'].gt_seeds.data.numpy()
            counts += np.bincount(seeds.ravel(), minlength=256)
        counts = torch.from_numpy(counts[: len(self.classes)])
        return counts / counts.sum()

    def _load(self, part: MultiSeedDataset, info: dict) -> tuple[dict, np.ndarray | None]:
        """A sample by the dataset's own loading, and its ground truth."""
        if self._gt_dir is None:
            return _whole_image(part)(info), None
        path = Path(self._gt_dir, part.seed_name(info))
        if not path.is_file():
            raise FileNotFoundError(
                f'{info["img_path"]} has no ground truth: there is no {path}. Is gt_dir the folder '
                'of its label maps?'
            )
        # As one seed more, so that the same changes of labels (reduce_zero_label) apply to it.
        sample = _whole_image(part)({**info, 'seed_paths': [*info['seed_paths'], str(path)]})
        return sample, sample['data_samples'].gt_seeds.data[-1].numpy()


def load_segmentor(config: Config, checkpoint: str, *, device: str) -> nn.Module:
    """Builds a config's model with the weights of a checkpoint, to be looked at.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It is of another architecture, or holds NaN.
    """
    from mmseg.apis import init_model

    model = init_model(config, None, device=device)
    load_weights(model, read_checkpoint(checkpoint), checkpoint)
    return model


def spread(count: int, total: int) -> Sequence[int]:
    """``count`` indices below ``total``, evenly apart."""
    return sorted({int(i) for i in np.linspace(0, total - 1, min(count, total))})


def _whole_image(dataset: MultiSeedDataset) -> Compose:
    """The dataset's own loading, and nothing of what comes after it."""
    steps = dataset.pipeline.transforms
    loading = [i for i, step in enumerate(steps) if isinstance(step, LoadMultiSeedAnnotations)]
    if not loading:
        raise ValueError(
            'the pipeline of the training set does not load seeds: it holds no '
            'LoadMultiSeedAnnotations.'
        )
    last = loading[0]
    return Compose([*steps[: last + 1], PackMultiSeedInputs()])


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
