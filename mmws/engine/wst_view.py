"""The seeds of training images and how far a model believes them, as pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from torch import nn

from mmws.datasets import LoadMultiSeedAnnotations, MultiSeedDataset, PackMultiSeedInputs
from mmws.models.seed_losses import find_seed_losses, wst_settings
from mmws.models.wst_loss import wst_weights
from mmws.visualization.wst_sheet import wst_sheet

from .unwrap import bare, seed_datasets


class WSTView:
    """Draws images of a training set, whole and without augmentation.

    Args:
        dataset: With a :class:`MultiSeedDataset` in it.
        head: Whose loss says how the weights are computed (``scale``, ``unknown``).

    Raises:
        ValueError: The dataset has no seeds.
    """

    def __init__(self, dataset, *, head: str = 'decode_head'):
        self._parts: list[MultiSeedDataset] = list(seed_datasets(dataset))
        if not self._parts:
            raise ValueError(
                'WST weights are drawn of images with seeds: the training dataset must hold a '
                f'mmws.MultiSeedDataset; found {type(dataset).__name__}.'
            )
        self._head = head
        self._metainfo = self._parts[0].metainfo

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def image_ids(self) -> list[str]:
        """The name of each image, without its ending."""
        infos = (part.get_data_info(i) for part in self._parts for i in range(len(part)))
        return [Path(info['img_path']).stem for info in infos]

    def draw(self, model: nn.Module, index: int) -> tuple[str, np.ndarray]:
        """Draws one image: its seeds, the model's prediction, and the weights that follow.

        The model is left as it was, and no random number is drawn.

        Args:
            model: A segmentor; wrapped or not.
            index: Of the image, counted through all parts of the dataset.

        Returns:
            The image's name, and (height, width, 3) uint8, RGB.

        Raises:
            ValueError: The head has no loss that takes seeds.
        """
        model = bare(model)
        losses = find_seed_losses(model, self._head)
        if not losses:
            raise ValueError(
                f'{type(model).__name__} has no loss that takes seeds in {self._head!r}. Is it a '
                'mmws.MultiSeedSegmentor?'
            )
        settings = wst_settings(losses[0])
        for part in self._parts:
            if index < len(part):
                break
            index -= len(part)
        info = part.get_data_info(index)
        image_id = Path(info['img_path']).stem
        sample = _whole_image(part)(info)
        with torch.no_grad(), _evaluating(model):
            batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
            logits = model.test_step(batch)[0].seg_logits.data.float().cpu()
        if logits.shape[0] == 1:  # mmseg's binary form
            logits = torch.cat([torch.zeros_like(logits), logits])
        maps = sample['data_samples'].gt_seeds.data
        has = torch.tensor(sample['data_samples'].metainfo.get('seed_present', [True] * len(maps)))
        weights = wst_weights(logits[None], maps[None], present=has[None], **settings)[0]
        kept = [
            (name, maps[k].numpy(), weights[k].numpy())
            for k, name in enumerate(part.seed_names)
            if has[k]
        ]
        sheet = wst_sheet(
            np.ascontiguousarray(sample['inputs'].numpy().transpose(1, 2, 0)[..., ::-1]),
            logits.argmax(0).numpy().astype(np.uint8),
            {name: seed for name, seed, _ in kept},
            {name: weight for name, _, weight in kept},
            self._metainfo['classes'],
            self._metainfo['palette'],
            title=image_id,
        )
        return image_id, sheet


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
