"""List the images of a classification dataset with what their seeds are made from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmws.files.id_list import check_unique
from mmws.seeds.seed_recipe import SeedRecipe

from .datasets.image_level_dataset import check_files


@dataclass(frozen=True)
class SeedImage:
    """An image to make seeds of."""

    image_id: str  # names its files; may hold folders
    path: str
    class_ids: tuple[int, ...]  # present ones, from 0, without background, ascending
    saliency_path: str | None = None  # 8-bit grey map of its size; None if it needs none

    def map_folder(self, suffix: str) -> str:
        """Return the folder of the saliency maps, in which an id may have folders of its own."""
        return self.saliency_path.removesuffix(f'{self.image_id}{suffix}').rstrip('/') or '.'


def dataset_images(dataset, recipe: SeedRecipe) -> list[SeedImage]:
    """List a dataset's images with their classes, and check that all files are there.

    The dataset is one of :mod:`mmws.classification`, mmpretrain's ``MultiLabelDataset``, or a
    wrapper around such. The recipe tells whether saliency maps are needed and where they are; an
    image without any class needs none: it is background everywhere.
    """
    images = [
        _image_of(leaf, leaf.get_data_info(index), recipe)
        for leaf in _leaves(dataset)
        for index in range(len(leaf))
    ]
    check_unique([image.image_id for image in images], 'the dataset')
    astray = [
        image  # that would lie outside its folder, or be hidden
        for image in images
        if any(part == '' or part.startswith('.') for part in image.image_id.split('/'))
    ]
    if astray:
        raise ValueError(
            f'{len(astray)} of {len(images)} image ids would name files outside the folders of '
            f'seeds, or hidden ones, the first: {astray[0].image_id!r} of {astray[0].path}. Set '
            "data_root and data_prefix to the images' folder, or give each sample an image_id "
            "without '..'."
        )
    check_files('images', [image.path for image in images], 'Check data_root and data_prefix.')
    maps = [image for image in images if image.saliency_path]
    if maps:
        check_files(
            'saliency maps',
            [image.saliency_path for image in maps],
            'Make them with: python tools/generate_saliency.py CONFIG CHECKPOINT IMAGES --out '
            f'{maps[0].map_folder(recipe.saliency.suffix)}, see docs/saliency.md. Data without '
            "any: seeds.saliency=dict(source='cam').",
        )
    return images


def _leaves(dataset) -> Iterator:
    """Yield the datasets inside wrappers such as RepeatDataset and ConcatDataset."""
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
    classes = np.atleast_1d(np.asarray(info.get('gt_label', ())))
    indices = classes.dtype.kind in 'iu' and classes.min(initial=0) >= 0
    if len(classes) and not (indices and len(set(classes.tolist())) == len(classes)):
        raise ValueError(
            f'{path} has the gt_label {classes.tolist()}; it must list the indices of the classes '
            'that are present, from 0 and each once.'
        )
    saliency = None
    if recipe.saliency.source == 'map' and len(classes):
        folder = os.path.join(dataset.data_root or '', recipe.saliency.folder)
        saliency = os.path.join(folder, f'{image_id}{recipe.saliency.suffix}')
    return SeedImage(image_id, path, tuple(sorted(int(c) for c in classes)), saliency)
