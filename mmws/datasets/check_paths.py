"""Whether the images and seeds of a dataset are there, with one scan per folder."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset

from mmws.files.find_images import files_below
from mmws.files.seed_source import SeedSource


def path_below(path: str, prefix: str | None) -> str:
    """The path relative to the prefix if it is below it, with ``/``."""
    inside = osp.relpath(path, prefix) if prefix else path
    return (path if inside.startswith('..') else inside).replace(os.sep, '/')


def without_mark(info: dict) -> dict:
    """Remove the byte order mark of a list of ids from the paths of its first image, in place.

    mmseg takes it for a part of the first id.
    """
    for key in ('img_path', 'seg_map_path'):
        if isinstance(info.get(key), str):
            info[key] = info[key].replace('\ufeff', '')
    return info


def check_images(dataset: BaseSegDataset, infos: Sequence[dict]) -> None:
    """Check that a dataset's images exist.

    Raises:
        FileNotFoundError: Some do not; their number and the first one.
        ValueError: The list of ids has a blank line.
    """
    folder = dataset.data_prefix.get('img_path') or ''
    if not osp.isdir(folder):
        raise FileNotFoundError(f'image folder {folder} does not exist (data_prefix.img_path).')
    files = set(files_below(folder))
    names = [path_below(info['img_path'], folder) for info in infos]
    blank = [i for i, name in enumerate(names) if name == dataset.img_suffix]
    if blank:
        raise ValueError(
            f'line {blank[0] + 1} of {dataset.ann_file} is blank, where an image id is expected '
            f'({len(blank)} such lines). Remove it.'
        )
    unknown = [name for name in names if name not in files]
    if unknown:
        raise FileNotFoundError(
            f'{len(unknown)} of {len(names)} images do not exist, the first: '
            f'{osp.join(folder, unknown[0])}. Does {dataset.ann_file or "the list"} hold ids '
            f'without suffix (img_suffix is {dataset.img_suffix!r}), with / between folders?'
        )


def missing_seeds(
    sources: Sequence[SeedSource], names: Sequence[str], *, allowed: bool
) -> dict[str, frozenset[int]]:
    """Find the seeds that images lack.

    Args:
        sources: Of the K seeds.
        names: The images' ids in all of them.
        allowed: Whether an image may lack some of its seeds.

    Returns:
        The places among the K that are missing, of the images that lack any.

    Raises:
        FileNotFoundError: A source has no seed, an image has none, or any is missing where that is
            not allowed.
    """
    lacking: dict[str, set[int]] = {}
    counts = []
    for k, source in enumerate(sources):
        there = source.image_ids()
        absent = [name for name in names if name not in there]
        if len(absent) == len(names):
            found = min(files_below(source.folder), default=None)
            raise FileNotFoundError(
                f'seed folder {source.folder} holds none of the {len(names)} images: expected '
                f'{absent[0]}{source.suffix}, '
                + (f'found {found}.' if found else 'but the folder is empty.')
                + ' Seeds are named like the label maps of the dataset (seed_suffix changes the '
                'end of the names).'
            )
        for name in absent:
            lacking.setdefault(name, set()).add(k)
        if absent:
            counts.append((len(absent), source.path(absent[0])))
    if counts and not allowed:
        total = sum(number for number, _ in counts)
        raise FileNotFoundError(
            f'{total} of {len(names) * len(sources)} seed maps are missing, in {len(counts)} of '
            f'{len(sources)} folders; the first: {counts[0][1]}. Finish them, or set '
            'allow_missing=True to train on the seeds that each image has.'
        )
    bare = [name for name, without in lacking.items() if len(without) == len(sources)]
    if bare:
        raise FileNotFoundError(
            f'{len(bare)} of {len(names)} images have no seed at all, the first: {bare[0]}. '
            'Remove them from the list of images.'
        )
    return {name: frozenset(without) for name, without in lacking.items()}
