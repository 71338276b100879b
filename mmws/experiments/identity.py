"""What a result depends on, written down beside it and compared before it is used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from mmengine.config import Config

from mmws.files.folder import SeedFolder

# What they are set to changes how fast a training is and not what it gives.
_FREE = ('num_workers', 'persistent_workers')


def identify(config: Config, **more) -> dict:
    """Collect what a training depends on.

    Args:
        config: The merged config.
        **more: Whatever else decides, as JSON knows it.

    Returns:
        ``config`` and, by kind and path, the hashes of lists of ids, of seeds (the recipe in
        ``seed.json``, or the names and sizes of the files where there is none) and of weights.
        What is not there yet is left out.
    """
    hashes = {}

    def walk(value: object) -> object:
        if isinstance(value, (list, tuple)):
            return [walk(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        root, seeds = value.get('seed_root') or '', value.get('seed_dirs') or []
        paths = [('seeds', Path(root, seed)) for seed in seeds]
        if 'ann_file' in value:
            paths.append(('list', Path(value.get('data_root') or '', value['ann_file'])))
        if isinstance(value.get('checkpoint'), str):
            paths.append(('weights', Path(value['checkpoint'])))
        hashes.update({f'{kind} {path}': _digest(path) for kind, path in paths if path.exists()})
        return {key: walk(inner) for key, inner in value.items() if key not in _FREE}

    return {'config': walk(config.to_dict()), **hashes, **more}


def described(folder: Path, wanted: Mapping) -> SeedFolder:
    """Name a folder of results, of a training or of data, and what they depend on.

    Its ``check`` refuses, by a FileExistsError with the first differences, results of something
    else or of which nothing was written down; its ``prepare`` writes ``wanted`` down, as
    :func:`identify` gives it.
    """
    # Of what is older, trainings at least have left JSON files.
    options = dict(suffix='.json', manifest='settings.json')
    # A file that is not there now cannot be compared: a finished result may outlive it.
    found = SeedFolder(folder, {}, **options).stored_recipe() or {}
    remedy = (
        'These results depend on it. Choose another folder with --out, put back what they were '
        'made with, or remove the folder to make them anew.'
    )
    return SeedFolder(folder, {**found, **wanted}, remedy=remedy, **options)


def _digest(path: Path) -> str:
    if path.is_file():
        stat = path.stat()
        return _file_digest(path, stat.st_size, stat.st_mtime_ns)
    recipe = SeedFolder(path, {}).stored_recipe()
    if recipe is None:  # someone else's
        recipe = sorted((str(p.relative_to(path)), p.stat().st_size) for p in path.rglob('*.*'))
    return _hash(json.dumps(recipe, sort_keys=True).encode())


@cache
def _file_digest(path: Path, size: int, time: int) -> str:
    return _hash(path.read_bytes())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
