"""The images and seeds of a dataset, listed and checked with one scan per folder."""

from __future__ import annotations

import contextlib
import os
import os.path as osp
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from mmws.files.id_list import read_ids
from mmws.files.seed_source import SeedSource
from mmws.files.storage import NotListedError, files_in, is_folder


def path_below(path: str, prefix: str | None) -> str:
    """Give the path relative to the prefix if it is below it, with ``/``."""
    inside = osp.relpath(path, prefix) if prefix else path
    return (path if inside.startswith('..') else inside).replace(os.sep, '/')


def load_images(dataset: BaseSegDataset, backend_args: dict | None = None) -> list[dict]:
    """Initialise a dataset, its list read as every command reads lists, and check its images.

    Images of a storage that cannot list, such as HTTP, are not checked; there has to be a list.

    Returns:
        The information on each image.

    Raises:
        FileNotFoundError: The folder or images do not exist; their number and the first one.
        ValueError: There is no image, or the list is no text.
    """
    folder = dataset.data_prefix.get('img_path') or ''
    if not is_folder(folder, backend_args):
        raise FileNotFoundError(f'image folder {folder} does not exist (data_prefix.img_path).')
    try:
        files = set(files_in(folder, backend_args))
    except NotListedError:
        if not dataset.ann_file:
            raise
        files = None
    with _plain_list(dataset, files or set()):
        # mmengine's own complaint about an empty list is about arrays.
        if not dataset.load_data_list():
            raise ValueError(
                f'{type(dataset).__name__} holds no image: its ann_file is {dataset.ann_file!r}, '
                f'its images are looked for in {folder!r} with the suffix {dataset.img_suffix!r}.'
            )
        dataset.full_init()
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    names = [path_below(info['img_path'], folder) for info in infos]
    unknown = [name for name in names if files is not None and name not in files]
    if unknown:
        raise FileNotFoundError(
            f'{len(unknown)} of {len(names)} images do not exist, the first: '
            f'{osp.join(folder, unknown[0])}. Does {dataset.ann_file or "the list"} hold ids '
            f'without suffix (img_suffix is {dataset.img_suffix!r})?'
        )
    return infos


@contextlib.contextmanager
def _plain_list(dataset: BaseSegDataset, files: set[str]) -> Iterator[None]:
    """Have mmseg read a list of bare ids where it reads the file as it stands, blank lines too."""
    original, backend_args = dataset.ann_file, dataset.backend_args
    own = type(dataset).load_data_list is not BaseSegDataset.load_data_list
    if own or not original or osp.isdir(original):
        yield
        return
    ids = read_ids(
        original,
        lambda name: name + dataset.img_suffix in files,
        repeats=True,
        backend_args=backend_args,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'ids.txt')
        path.write_text('\n'.join(ids), encoding='utf-8')
        dataset.ann_file, dataset.backend_args = str(path), None
        try:
            yield
        finally:
            dataset.ann_file, dataset.backend_args = original, backend_args


def missing_seeds(
    sources: Sequence[SeedSource], names: Sequence[str], *, allowed: bool
) -> dict[str, set[int]]:
    """Find which of the K seeds the images (``names``) lack; of a storage like HTTP none is known.

    Returns their places among the K, by the image's id. Where it is ``allowed``, an image may lack
    some of its seeds, but not all; else a FileNotFoundError.
    """
    lacking: dict[str, set[int]] = {}
    missing = []
    for k, source in enumerate(sources):
        try:
            there = source.image_ids()
        except NotListedError:
            if allowed:
                raise
            continue
        absent = [name for name in names if name not in there]
        if len(absent) == len(names):
            found = min(files_in(source.folder, source.backend_args), default=None)
            raise FileNotFoundError(
                f'seed folder {source.folder} holds none of the {len(names)} images: expected '
                f'{absent[0]}{source.suffix}, '
                + (f'found {found}.' if found else 'but the folder is empty.')
                + ' Seeds are named like the label maps of the dataset (seed_suffix changes the '
                'end of the names).'
            )
        for name in absent:
            lacking.setdefault(name, set()).add(k)
        missing += map(source.path, absent)
    if missing and not allowed:
        raise FileNotFoundError(
            f'{len(missing)} of {len(names) * len(sources)} seed maps are missing, in '
            f'{len(set.union(*lacking.values()))} of {len(sources)} folders; the first: '
            f'{missing[0]}. Finish them, or set allow_missing=True to train on the seeds that each '
            'image has.'
        )
    bare = [name for name, without in lacking.items() if len(without) == len(sources)]
    if bare:
        raise FileNotFoundError(
            f'{len(bare)} of {len(names)} images have no seed at all, the first: {bare[0]}. '
            'Remove them from the list of images.'
        )
    return lacking
