"""What a result depends on, written down beside it and compared before it is used again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from mmengine.config import Config

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder

SETTINGS = 'settings.json'
_FILES = ('lists', 'seeds', 'weights')
# What they are set to changes how fast a training is and not what it gives.
_FREE = ('num_workers', 'persistent_workers')


def identify(config: Config, **more) -> dict:
    """Collect what a training depends on.

    Args:
        config: The merged config.
        **more: Whatever else decides, as JSON knows it.

    Returns:
        ``config`` and, as hashes by path, ``lists`` of ids, ``seeds`` (the recipe in ``seed.json``,
        or the names and sizes of the files where there is none) and ``weights``. What is not there
        yet is left out.
    """
    content = config.to_dict()
    files: dict[str, set[Path]] = {kind: set() for kind in _FILES}
    for entry in _dicts(content):
        if 'ann_file' in entry:
            files['lists'].add(Path(entry.get('data_root') or '', entry['ann_file']))
        for folder in entry.get('seed_dirs') or ():
            files['seeds'].add(Path(entry.get('seed_root') or '', folder))
        if isinstance(entry.get('checkpoint'), str):
            files['weights'].add(Path(entry['checkpoint']))
    hashes = {
        kind: {str(path): _digest(path) for path in sorted(paths) if path.exists()}
        for kind, paths in files.items()
    }
    return json.loads(json.dumps({'config': _without_free(content), **hashes, **more}))


def check_identity(folder: Path, wanted: Mapping) -> None:
    """Refuse a folder whose results depend on something else.

    Args:
        folder: Of a training or of data; one that does not exist is fine.
        wanted: As :func:`identify` gives it.

    Raises:
        FileExistsError: The first differences, or that nothing was written down.
    """
    path = folder / SETTINGS
    if path.is_file():
        differing = list(_differences(json.loads(path.read_text()), wanted))
    elif any(folder.glob('*.pth')) or (folder / 'result.json').is_file():
        differing = [f'there is no {SETTINGS} (an older version wrote less down)']
    else:
        return
    if differing:
        more = f', and {len(differing) - 3} more' if len(differing) > 3 else ''
        raise FileExistsError(
            f'{folder} holds results that depend on something else: {", ".join(differing[:3])}'
            f'{more}. Choose another folder with --out, put back what it was made with, or remove '
            'the folder to make it anew.'
        )


def write_identity(folder: Path, wanted: Mapping) -> None:
    """Write down what the results in a folder are going to depend on."""
    check_identity(folder, wanted)
    write_atomically(folder / SETTINGS, json.dumps(wanted, indent=1).encode())


def _differences(found: object, wanted: object, name: str = '') -> Iterator[str]:
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        # A file that is not there now cannot be compared: a finished result may outlive it.
        keys = wanted if name in _FILES else {**found, **wanted}
        for key in keys:
            inner = f'{name} {key}' if name in _FILES else f'{name}.{key}' if name else key
            yield from _differences(found.get(key), wanted.get(key), inner)
    elif found != wanted:
        yield f'{name} is {_short(found)} there and {_short(wanted)} here'


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}...'


def _dicts(value: object) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _dicts(inner)


def _without_free(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_free(v) for k, v in value.items() if k not in _FREE}
    return [_without_free(v) for v in value] if isinstance(value, (list, tuple)) else value


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
