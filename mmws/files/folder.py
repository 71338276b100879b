"""The contract on disk: one folder a seed, atomic files, one file that tells how they were made.

::

    SEED_ROOT/
      vgg16_threshold_x1.0/
        2007_000032.png      palette PNG: 0 background, class id + 1, 255 unknown
        ...
        seed.json            the recipe, and whether the folder is complete

``seed.json`` is written first with ``"complete": false``, and last with ``"complete": true``. So a
process may be killed at any moment: whatever has its final name is whole, and the next run knows
whether what it finds is its own. A folder without the file is never emptied.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from mmws.version import __version__

from .atomic_write import TEMPORARY, write_atomically

SEED_MANIFEST = 'seed.json'
SALIENCY_MANIFEST = 'saliency.json'
# What marked an unfinished folder before the manifest did.
_OLD_MARKER = 'unfinished.json'


class SeedFolder:
    """A folder that several processes fill, of seeds or of anything else that has a recipe.

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

    @property
    def is_complete(self) -> bool:
        """Whether the manifest is there and says so.

        Raises:
            ValueError: The manifest is unreadable.
        """
        content = self._read()
        # Once only complete folders had a manifest, without that key.
        return content is not None and bool(content.get('complete', True))

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse a folder that something else has filled.

        Args:
            overwrite: The folder is about to be emptied, so that any recipe may have made it.

        Raises:
            FileExistsError: Another recipe made the folder, or nobody knows what did.
            ValueError: The manifest is unreadable.
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
        if (self.path / _OLD_MARKER).is_file():
            raise FileExistsError(
                f'{self.path / _OLD_MARKER}: an older version of mmws has begun to fill the '
                'folder. Finish it with that version, remove it by hand, or choose another output '
                'folder.'
            )
        if foreign:
            raise FileExistsError(
                f'{self.path} holds {foreign} {self.suffix} files but no {self._manifest.name}: '
                'something else made it. Choose another output folder, or remove these files by '
                'hand.'
            )
        for other in sorted(self.path.glob('*.json')):
            if _is_manifest(other) and other != self._manifest:
                raise FileExistsError(
                    f'{other} says that the folder holds something else, without '
                    f'{self._manifest.name}. Choose another output folder.'
                )

    def stored_recipe(self) -> dict | None:
        """The recipe of what is there, finished or not; None where nothing says so.

        Raises:
            ValueError: The manifest is unreadable.
        """
        content = self._read()
        return None if content is None else content['recipe']

    def clear(self) -> None:
        """Remove the folder's own files, so that any recipe may fill it; others stay.

        A run that is stopped here leaves an unfinished folder of the old recipe, which is what the
        rest of the files are.

        Raises:
            FileExistsError: Nothing says that the files are of this kind; none is removed.
            ValueError: The manifest is unreadable; no file is removed.
        """
        self.check(overwrite=True)
        found = self.stored_recipe()
        if found is None:
            return
        self._write(found, complete=False)
        for image_id in list(self._scan()):
            self.file(image_id).unlink(missing_ok=True)
        self._manifest.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Create the folder, check it and mark it as being filled by this recipe.

        Several processes may do so at once: the first one's recipe holds for all.

        Raises:
            FileExistsError, ValueError: As :meth:`check`.
        """
        self.check()
        self.path.mkdir(parents=True, exist_ok=True)
        if not self._manifest.is_file():
            self._write(self.recipe, complete=False, replace=False)
        self.check()  # another process may have been first, with another recipe

    def reopen(self) -> None:
        """Take a complete folder back to unfinished, because images are to be added."""
        if self.is_complete:
            self._write(self.recipe, complete=False)

    def finished(self) -> set[str]:
        """Ids of the images whose file is there, from one look at the folder."""
        return set(self._scan())

    def file(self, image_id: str) -> Path:
        """Where an image's file is; an id may hold folders."""
        return self.path / f'{image_id}{self.suffix}'

    def complete(self, image_ids: Collection[str]) -> bool:
        """Mark the folder as complete if all these images are there; True if they are.

        What processes that were killed have left of images is removed then. What there is of the
        manifest is not: another process may be writing it at this moment.
        """
        if not self.finished().issuperset(image_ids):
            return False
        for leftover in self.path.rglob(f'.*{self.suffix}.*{TEMPORARY}'):
            leftover.unlink(missing_ok=True)
        self._write(self.recipe, complete=True, num_images=len(image_ids))
        return True

    def _write(self, recipe: dict, *, replace: bool = True, **state: bool | int) -> None:
        content = {'recipe': recipe, **self.about, **state, 'mmws_version': __version__}
        text = json.dumps(content, indent=2, sort_keys=True) + '\n'
        write_atomically(self._manifest, text.encode(), replace=replace)

    def _read(self) -> dict | None:
        """The content of the manifest, or None where there is none."""
        path = self._manifest
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise ValueError(
                f'{path} cannot be read ({error}). Choose another folder, or remove this one by '
                'hand.'
            ) from error
        if not isinstance(content, dict) or not isinstance(content.get('recipe'), dict):
            raise ValueError(
                f'{path} is not the manifest of a folder: expected a JSON object with a recipe. '
                'Choose another folder, or remove this one by hand.'
            )
        return content

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


def _is_manifest(path: Path) -> bool:
    """Whether a JSON file is one of ours, of any kind."""
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, OSError):
        return False
    return isinstance(content, dict) and {'recipe', 'mmws_version'} <= content.keys()


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
