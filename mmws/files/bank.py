"""The contract on disk: one folder a seed, atomic files, a manifest that is written last.

::

    SEED_ROOT/
      vgg16_threshold_x1.0/
        2007_000032.png      palette PNG: 0 background, class id + 1, 255 unknown
        ...
        seed.json            how it was made; a folder that has it is complete

While a folder is being filled, ``unfinished.json`` stands in it instead, with the same recipe. So a
process may be killed at any moment: whatever has its final name is whole, and the next run knows
whether what it finds is its own. A folder that has neither of the two is never emptied.
"""

from __future__ import annotations

import errno
import io
import json
import os
import uuid
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.version import __version__

SEED_MANIFEST = 'seed.json'
SALIENCY_MANIFEST = 'saliency.json'
_MARKER = 'unfinished.json'
_TEMPORARY = '.part'
_ATTEMPTS = 3


class SeedFolder:
    """One folder that several processes fill, of seeds or of anything else that has a recipe.

    Nothing is touched before :meth:`prepare`. Several processes may fill one folder, each with its
    own images; none of them needs to know of the others.

    Args:
        path: The folder.
        recipe: What the files depend on, as JSON knows it. A folder of another recipe is refused.
        about: What else the manifest shall tell, without being compared.
        suffix: Ending of the files.
        manifest: Name of the manifest.
        remedy: What the user can do about a folder of another recipe.

    Raises:
        TypeError: The recipe is not JSON.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        recipe: dict,
        *,
        about: dict | None = None,
        suffix: str = '.png',
        manifest: str = SEED_MANIFEST,
        remedy: str = 'Choose another output folder, or replace it with --overwrite.',
    ):
        self.path = Path(path)
        # As it is read back: tuples are lists there.
        self.recipe = json.loads(json.dumps(recipe, sort_keys=True))
        self.about = dict(about or {})
        self.suffix = suffix
        self._remedy = remedy
        self._manifest = self.path / manifest
        self._marker = self.path / _MARKER

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is there."""
        return self._manifest.is_file()

    def check(self, *, overwrite: bool = False) -> None:
        """Refuses a folder that something else has filled.

        Args:
            overwrite: The folder is about to be emptied, so that any recipe may have made it.

        Raises:
            FileExistsError: Another recipe made the folder, or nobody knows what did.
            ValueError: The manifest or marker is unreadable.
        """
        found, foreign = self.stored_recipe(), 0
        if found is None:
            foreign = sum(1 for _ in self._scan())
            # Another process may have begun to fill it meanwhile: that marks before it writes.
            found = self.stored_recipe()
        if found == self.recipe or (overwrite and found is not None):
            return
        if found is not None:
            raise FileExistsError(
                f'{self.path} was made by another recipe: {_differences(found, self.recipe)}. '
                f'{self._remedy}'
            )
        kind = self._marked_kind()
        if kind is not None:
            raise FileExistsError(
                f'{self._marker} says that something else is being made there: {kind}, not '
                f'{self._manifest.name}. Choose another output folder.'
            )
        if foreign:
            raise FileExistsError(
                f'{self.path} holds {foreign} {self.suffix} files but neither '
                f'{self._manifest.name} nor {_MARKER}: something else made it. '
                'Choose another output folder, or remove these files by hand.'
            )

    def stored_recipe(self) -> dict | None:
        """The recipe of what is there, finished or not; None where nothing says so.

        Raises:
            ValueError: The manifest or marker is unreadable.
        """
        # Other processes take the one away after they have written the other, so that a single
        # look may come too late for this and too early for that.
        for note in (self._manifest, self._marker) * 3:
            try:
                content = _read_json(note)
            except FileNotFoundError:
                continue
            # Seeds, CAMs and saliency maps have one marker, which says what it is of.
            if content.get('manifest', self._manifest.name) == self._manifest.name:
                return content['recipe']
        return None

    def clear(self) -> None:
        """Removes the folder's own files, so that any recipe may fill it; others stay.

        A run that is stopped here leaves an unfinished folder of the old recipe, which is what the
        rest of the files are.

        Raises:
            FileExistsError: Nothing says that the files are of this kind; none is removed.
            ValueError: The manifest or marker is unreadable; no file is removed.
        """
        self.check(overwrite=True)
        found = self.stored_recipe()
        if found is None:
            return
        self._mark(found)
        self._manifest.unlink(missing_ok=True)
        for image_id in list(self._scan()):
            self.file(image_id).unlink(missing_ok=True)
        self._marker.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Creates the folder, checks it and marks it as being filled by this recipe.

        Several processes may do so at once: the first one's recipe holds for all.

        Raises:
            FileExistsError, ValueError: As :meth:`check`.
        """
        self.check()
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._manifest.is_file() and not self._marker.is_file():
            self._mark(self.recipe, replace=False)
        self.check()  # another process may have been first, with another recipe

    def reopen(self) -> None:
        """Takes a complete folder back to unfinished, because images are to be added."""
        if self._manifest.is_file():
            self._mark(self.recipe)
            self._manifest.unlink(missing_ok=True)

    def finished(self) -> set[str]:
        """Ids of the images whose file is there, from one look at the folder."""
        return set(self._scan())

    def file(self, image_id: str) -> Path:
        """Where an image's file is; an id may hold folders."""
        return self.path / f'{image_id}{self.suffix}'

    def complete(self, image_ids: Collection[str]) -> bool:
        """Writes the manifest if all these images are there; True if they are.

        What processes that were killed have left of images is removed then. What there is of the
        notes is not: another process may be writing them at this moment.
        """
        if not self.finished().issuperset(image_ids):
            return False
        for leftover in self.path.rglob(f'.*{self.suffix}.*{_TEMPORARY}'):
            leftover.unlink(missing_ok=True)
        content = {
            'recipe': self.recipe,
            **self.about,
            'num_images': len(image_ids),
            'mmws_version': __version__,
        }
        write_atomically(self._manifest, _to_json(content))
        self._marker.unlink(missing_ok=True)
        return True

    def _mark(self, recipe: dict, *, replace: bool = True) -> None:
        content = {'recipe': recipe, 'manifest': self._manifest.name}
        write_atomically(self._marker, _to_json(content), replace=replace)

    def _marked_kind(self) -> str | None:
        """Name of the manifest of what is being made there, if it is of another kind."""
        try:
            kind = _read_json(self._marker).get('manifest', self._manifest.name)
        except FileNotFoundError:
            return None
        return None if kind == self._manifest.name else kind

    def _scan(self) -> Iterable[str]:
        folders = [('', self.path)]
        while folders:
            prefix, folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.is_dir():
                            folders.append((f'{prefix}{entry.name}/', entry.path))
                        elif (
                            entry.name.endswith(self.suffix)
                            and not entry.name.startswith('.')
                            and entry.stat().st_size  # a power cut may leave an empty file
                        ):
                            yield prefix + entry.name[: -len(self.suffix)]
            except FileNotFoundError:
                continue


def seed_name(prefix: str, kind: str, scale: float | str) -> str:
    """Name of a seed, such as ``vgg16_crf_x0.75``; a merged one is ``vgg16_crf_max``."""
    return f'{prefix}_{kind}_{scale if isinstance(scale, str) else f"x{float(scale)}"}'


def read_manifest(folder: str | os.PathLike, manifest: str = SEED_MANIFEST) -> dict:
    """Reads how a folder was made.

    Raises:
        FileNotFoundError: No manifest: the folder is unfinished, or was made by something else.
        ValueError: It is no JSON object.
    """
    path = Path(folder) / manifest
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist: the folder is unfinished or was not made by '
            'tools/generate_seeds.py. Run that again, it continues where it stopped.'
        )
    return _read_json(path)


def stored_classes(folder: str | os.PathLike, manifest: str = SEED_MANIFEST) -> list[str] | None:
    """The class names that a folder of seeds or CAMs was made with, background first.

    Returns:
        None where nothing says so, as for seeds of others.
    """
    try:
        recipe = SeedFolder(folder, {}, manifest=manifest).stored_recipe() or {}
    except ValueError:  # a file of that name which is not ours
        return None
    names = recipe.get('classes')
    return None if names is None else ['background', *names]


def encode_seed(labels: np.ndarray) -> bytes:
    """Encodes a label map as palette PNG in VOC's colours; the same map gives the same bytes.

    Args:
        labels: (H, W) uint8.

    Raises:
        ValueError: Another shape or dtype.
    """
    labels = np.asarray(labels)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        raise ValueError(f'a seed is (H, W) uint8; got {labels.shape} {labels.dtype}.')
    image = Image.fromarray(np.ascontiguousarray(labels), 'L')
    image.putpalette(voc_palette().tobytes())
    stream = io.BytesIO()
    # Label maps are tiny at any level; at this one they are read twice as fast as at the default.
    image.save(stream, 'PNG', compress_level=1)
    return stream.getvalue()


def voc_palette() -> np.ndarray:
    """VOC's colours of the labels 0 to 255: (256, 3) uint8, RGB.

    The bits of the label are dealt out to red, green and blue in turn, highest colour bit first.
    """
    labels = np.arange(256)
    colours = np.zeros((256, 3), np.int64)
    for step in range(8):
        for channel in range(3):
            colours[:, channel] |= (labels >> (3 * step + channel) & 1) << (7 - step)
    return colours.astype(np.uint8)


def write_atomically(path: str | os.PathLike, content: bytes, *, replace: bool = True) -> None:
    """Writes a file that is, at any moment, either not there or whole.

    Args:
        path: The file; its folder is made where it is missing.
        content: Its bytes.
        replace: Whether a file that is there already, or that another process writes at the same
            time, is replaced; otherwise that one stays.

    Raises:
        OSError: It cannot be written. A full disk is named as such; nothing half written stays.
    """
    path = Path(path)
    # Machines that share a disk number their processes alike.
    temporary = path.with_name(f'.{path.name}.{uuid.uuid4().hex[:16]}{_TEMPORARY}')
    try:
        for attempt in range(_ATTEMPTS):
            try:
                temporary.write_bytes(content)
                _rename(temporary, path, replace=replace)
                return
            except FileNotFoundError:
                # No folder yet, or another process that has finished it tidied up.
                if attempt == _ATTEMPTS - 1:
                    raise
                path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(
                error.errno,
                f'no space left while writing {path}. Free some and run the same command again: '
                'what is finished is kept',
            ) from error
        raise


def _rename(temporary: Path, path: Path, *, replace: bool) -> None:
    if replace:
        os.replace(temporary, path)
        return
    try:
        os.link(temporary, path)  # fails where the file is there, unlike a rename
    except FileExistsError:
        pass
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        os.replace(temporary, path)
        return
    temporary.unlink(missing_ok=True)


def _to_json(content: dict) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + '\n').encode()


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise
    except (ValueError, OSError) as error:
        raise ValueError(
            f'{path} cannot be read ({error}). Choose another folder, or remove this one by hand.'
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get('recipe'), dict):
        raise ValueError(
            f'{path} is not the manifest of a folder: expected a JSON object with a recipe. Choose '
            'another folder, or remove this one by hand.'
        )
    return content


def _differences(found: dict, wanted: dict) -> str:
    """The first few keys in which two recipes differ, nested ones as ``crf.iterations``."""
    pairs = []

    def walk(one, other, name):
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted({*one, *other}):
                walk(one.get(key), other.get(key), f'{name}.{key}' if name else key)
        elif one != other:
            pairs.append(f'{name} is {_shortened(one)} there and {_shortened(other)} here')

    walk(found, wanted, '')
    more = f', and {len(pairs) - 3} more' if len(pairs) > 3 else ''
    return ', '.join(pairs[:3]) + more


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f'{text[:37]}...'
