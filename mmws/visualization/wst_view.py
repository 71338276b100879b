"""What a model's loss sees of training images: their seeds, and how far it believes them."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from torch import Tensor, nn

from mmws.checkpoint import load_weights, read_checkpoint, unwrap_model
from mmws.datasets import LoadMultiSeedAnnotations, MultiSeedDataset, PackMultiSeedInputs
from mmws.datasets.multi_seed_dataset import seed_datasets
from mmws.files.label_map import UNKNOWN
from mmws.models.seed_losses import find_wst_losses
from mmws.models.wst_weights import SeedView
from mmws.seeds.vote import vote

from .colours import colour_labels, colour_weights
from .picture_grid import picture_grid

# Of whose seeds the shares of the classes are counted for a balanced loss.
_COUNTED_IMAGES = 32
_PER_ROW = 6


class WeighedSeeds(NamedTuple):
    """A training image, and what a loss sees of the K seeds that it has.

    Attributes:
        image_id: Its path in the image folder, without ending.
        image: (H, W, 3) uint8, RGB.
        names: Of the K seeds.
        seeds: (K, H, W) uint8, 255 unknown, and ``gt`` (H, W), where ground truth was asked for.
        view: Of these seeds; N is 1.
    """

    image_id: str
    image: np.ndarray
    names: list[str]
    seeds: Tensor
    view: SeedView
    gt: Tensor | None


class WSTView:
    """Look at images of a training set, whole and without augmentation.

    Args:
        dataset: With a :class:`MultiSeedDataset` in it.
        gt_dir: Folder of ground-truth label maps, named as the seeds are; it is shown and compared
            with, nothing learns from it.

    Raises:
        ValueError: The dataset has no seeds.
    """

    def __init__(self, dataset, *, gt_dir: str | Path | None = None):
        parts: list[MultiSeedDataset] = list(seed_datasets(dataset))
        if not parts:
            raise ValueError(
                'WST weights are computed for images with seeds: the training dataset must hold a '
                f'mmws.MultiSeedDataset; found {type(dataset).__name__}.'
            )
        self._images = [(part, index) for part in parts for index in range(len(part))]
        self._gt_dir = gt_dir
        self.classes: list[str] = list(parts[0].metainfo['classes'])
        self._palette = parts[0].metainfo['palette']

    def __len__(self) -> int:
        return len(self._images)

    def image_ids(self) -> list[str]:
        """List the path of each image in its folder, without ending."""
        return [part.image_id(part.get_data_info(index)) for part, index in self._images]

    def weigh(self, model: nn.Module, index: int) -> WeighedSeeds:
        """Look at one image; the model is left as it was, and no random number is drawn.

        The model may be wrapped. The index counts the images through all parts of the dataset.

        Raises:
            FileNotFoundError: The image has no ground truth in ``gt_dir``.
            ValueError: The decode head has no loss that takes seeds.
        """
        model = unwrap_model(model)
        losses = find_wst_losses(model)
        if not losses:
            raise ValueError(
                f'{type(model).__name__} has no loss that takes seeds in its decode_head. Is it a '
                'mmws.MultiSeedSegmentor?'
            )
        part, index = self._images[index]
        info = part.get_data_info(index)
        paths = list(info['seed_paths'])
        present = [path is not None for path in paths]
        if self._gt_dir is not None:
            # As one seed more, so that the same changes of labels (reduce_zero_label) apply to it.
            paths.append(self._gt_path(part, info))
        sample = _whole_image(part)({**info, 'seed_paths': paths})
        inputs, data = sample['inputs'], sample['data_samples']
        seeds, gt = data.gt_seeds.data[: len(present)], data.gt_seeds.data[len(present) :]
        with torch.no_grad(), _evaluating(model):
            batch = dict(inputs=[inputs], data_samples=[data])
            logits = model.test_step(batch)[0].seg_logits.data.float().cpu()
        if logits.shape[0] == 1:  # mmseg gives the probability of its binary form
            logits = logits.logit(1e-6)
        # Seed k has its place whether the image has it or not: a rule may know how good it is.
        view = losses[0].view(
            logits[None],
            seeds[None],
            UNKNOWN,
            present=torch.tensor([present]),
            shares=self._shares if losses[0].rule.uses_shares else None,
        )
        return WeighedSeeds(
            part.image_id(info),
            np.ascontiguousarray(inputs.numpy().transpose(1, 2, 0)[..., ::-1]),
            list(itertools.compress(part.seed_names, present)),
            seeds[present],
            view.only(present),
            gt[0] if len(gt) else None,
        )

    def draw(self, model: nn.Module, index: int) -> tuple[str, np.ndarray]:
        """Draw what :meth:`weigh` gives: below each seed its weights, as in the paper's Figure 4.

        Returns:
            The ``image_id``, and (height, width, 3) uint8, RGB.
        """
        seen = self.weigh(model, index)
        maps = {
            'image': seen.image,
            'online prediction': seen.view.logits[0].argmax(0).numpy().astype(np.uint8),
            'majority vote': vote(seen.seeds.numpy()),
        }
        if seen.gt is not None:
            maps['ground truth'] = seen.gt.numpy()
        seeds = list(zip(seen.names, seen.seeds.numpy(), strict=True))
        weights = seen.view.weights[0].numpy()
        rows, highest = [list(maps.items())], float(weights.max())
        for start in range(0, len(seeds), _PER_ROW):
            row, below = seeds[start : start + _PER_ROW], []
            for (name, seed), weight in zip(row, weights[start:], strict=False):
                # What a seed does not know has a share of the weight, too, but teaches nothing.
                known, pale = colour_weights(weight, highest), colour_labels(seed, self._palette)
                painted = np.where((seed == UNKNOWN)[..., None], pale, known)
                below.append((f'weight of {name}', painted))
            rows += [row, below]
        scale = f'dark 0, bright {highest:.2f}; equal weights would be {1 / len(seeds):.2f}'
        title = f'{seen.image_id}; weights: {scale}'
        sheet = picture_grid(rows, self.classes, self._palette, title=title, cell_inches=2.15)
        return seen.image_id, sheet

    @cached_property
    def _shares(self) -> Tensor:
        """Count the shares of the classes, which a balanced loss takes from whole batches."""
        counts = np.zeros(256)
        for number in spread(_COUNTED_IMAGES, len(self)):
            part, index = self._images[number]
            sample = _whole_image(part)(part.get_data_info(index))
            seeds = sample['data_samples'].gt_seeds.data.numpy()
            counts += np.bincount(seeds.ravel(), minlength=256)
        counts = torch.from_numpy(counts[: len(self.classes)])
        return counts / counts.sum()

    def _gt_path(self, part: MultiSeedDataset, info: dict) -> str:
        path = Path(self._gt_dir, part.seed_name(info))
        if not path.is_file():
            raise FileNotFoundError(
                f'{info["img_path"]} has no ground truth: there is no {path}. Is gt_dir the folder '
                'of its label maps?'
            )
        return str(path)


def load_segmentor(config: Config, checkpoint: str, *, device: str) -> nn.Module:
    """Build a config's model with the weights of a checkpoint, to be looked at."""
    from mmseg.apis import init_model

    model = init_model(config, None, device=device)
    load_weights(model, read_checkpoint(checkpoint), checkpoint)
    return model


def spread(count: int, total: int) -> Sequence[int]:
    """Choose ``count`` indices below ``total``, evenly apart."""
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
    return Compose([*steps[: loading[0] + 1], PackMultiSeedInputs()])


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
