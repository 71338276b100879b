"""Where the label maps of K seeds lie: folders, and what the names of their files end with."""

from __future__ import annotations

import os
import os.path as osp
from collections.abc import Sequence
from typing import NamedTuple

from .storage import files_in, is_folder, is_local
from .zip_folder import ZIP


class SeedSource(NamedTuple):
    """The label maps of one seed: that of image ``a/b`` is ``<folder>/a/b<suffix>``.

    A suffix may hold a ``/``, for a folder an image. The folder may be a zip file or lie in one, or
    elsewhere, with mmengine's ``backend_args``. The name tells the seed from the others.
    """

    folder: str
    suffix: str
    name: str
    backend_args: dict | None = None

    def path(self, image_id: str) -> str:
        """Name an image's label map."""
        return osp.join(self.folder, image_id + self.suffix)

    def image_ids(self) -> set[str]:
        """List the images that have a label map, by one scan of each folder."""
        end = len(self.suffix)
        return {
            name[:-end] if end else name
            for name in files_in(self.folder, self.backend_args)
            if name.endswith(self.suffix)
        }


def seed_sources(
    folders: str | Sequence[str],
    suffix: str | Sequence[str] = '.png',
    *,
    root: str = '',
    backend_args: dict | None = None,
) -> list[SeedSource]:
    """Name the K seeds of a dataset.

    =========================  =====================  ==============================
    files of image ``x``       ``folders``            ``suffix``
    =========================  =====================  ==============================
    ``a/x.png, b/x.png``       ``['a', 'b']``         ``'.png'``
    ``m/x_a.png, m/x_b.png``   ``'m'``                ``['_a.png', '_b.png']``
    ``m/x/a.png, m/x/b.png``   ``'m'``                ``['/a.png', '/b.png']``
    =========================  =====================  ==============================

    A folder may be packed: ``a.zip`` is found as ``a``, too, where there is no such folder.
    ``root`` is prepended to the folders that are no absolute paths.

    Raises:
        FileNotFoundError: A folder does not exist.
        ValueError: None at all, numbers that do not fit, or a seed given twice.
    """
    folders = [folders] if isinstance(folders, (str, os.PathLike)) else list(folders)
    suffixes = [suffix] if isinstance(suffix, str) else list(suffix)
    if not folders or not suffixes:
        raise ValueError('no seeds are named: the list of folders or of suffixes is empty.')
    count = max(len(folders), len(suffixes))
    folders = [
        packed_or_not(f if '://' in f else osp.join(root, f), backend_args)
        for f in map(os.fspath, folders * count if len(folders) == 1 else folders)
    ]
    suffixes = suffixes * count if len(suffixes) == 1 else suffixes
    if len(folders) != len(suffixes):
        raise ValueError(
            f'{len(folders)} seed folders and {len(suffixes)} suffixes: name one suffix for each '
            'folder (the folder again for each suffix), or one for all.'
        )
    seen: dict[tuple[str, str], str] = {}
    for folder, end in zip(folders, suffixes, strict=True):
        if not is_folder(folder, backend_args):
            raise FileNotFoundError(
                f'seed folder {folder} does not exist. Folders are taken relative to seed_root, '
                'and that relative to the working directory.'
            )
        place = (osp.realpath(folder), end)
        if place in seen:
            also = f' (as {seen[place]} too)' if seen[place] != folder else ''
            raise ValueError(
                f'seed folder {folder} is given twice{also}: a seed that counts twice outvotes '
                'the others. Remove one.'
            )
        seen[place] = folder
    names = _names(folders, suffixes)
    return [SeedSource(*each, backend_args) for each in zip(folders, suffixes, names, strict=True)]


def seeds_below(
    root: str | os.PathLike, names: Sequence[str] | None = None, *, suffix: str = '.png'
) -> list[SeedSource]:
    """Find the seeds of SEED_ROOT, which may be packed, one a folder.

    ``names`` are of the folders; by default all that hold a file of the suffix, packed or not.
    """
    root = packed_or_not(os.fspath(root))
    if not is_folder(root):
        raise FileNotFoundError(f'{root} is no folder.')
    if names is None:
        paths = list(files_in(root))
        packed = [path for path in paths if path.endswith(ZIP) and '/' not in path]
        for path in packed:
            paths += [f'{path.removesuffix(ZIP)}/{name}' for name in files_in(f'{root}/{path}')]
        names = sorted({p.partition('/')[0] for p in paths if '/' in p and p.endswith(suffix)})
    if not names:
        raise ValueError(f'{root} holds no folder of seeds.')
    return seed_sources(names, suffix, root=root)


def common_ids(sources: Sequence[SeedSource], wanted: Sequence[str] | None = None) -> list[str]:
    """List the images that all folders have a label map of; none is a ValueError.

    It is one, too, where any of those ``wanted`` is missing; by default all common ones are listed.
    """
    there = [source.image_ids() for source in sources]
    if wanted is None:
        wanted = sorted(set.intersection(*there))
        if not wanted:
            names = ', '.join(source.folder for source in sources)
            raise ValueError(f'no image has a label map in each of {names}.')
    for source, found in zip(sources, there, strict=True):
        if missing := [image_id for image_id in wanted if image_id not in found]:
            raise ValueError(
                f'{len(missing)} of {len(wanted)} images have no label map in {source.folder}, '
                f'the first: {source.path(missing[0])}.'
            )
    return list(wanted)


def packed_or_not(folder: str, backend_args: dict | None = None) -> str:
    """Name the archive ``FOLDER.zip`` where a folder is not there but packed, else the folder."""
    packed = folder.rstrip('/') + ZIP
    if is_local(folder, backend_args) and not osp.exists(folder) and osp.isfile(packed):
        return packed
    return folder


def _names(folders: Sequence[str], suffixes: Sequence[str]) -> list[str]:
    """Choose the shortest of folder name, path and pattern of the files that differ in all."""
    patterns = [
        f'{osp.join(folder, "")}*{suffix}' for folder, suffix in zip(folders, suffixes, strict=True)
    ]
    names = [osp.basename(osp.normpath(folder)).removesuffix(ZIP) for folder in folders]
    return next(found for found in (names, folders, patterns) if len(set(found)) == len(found))
