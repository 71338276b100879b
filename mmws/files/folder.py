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
import reprlib
from collections.abc import Collection, Iterator
from pathlib import Path

from mmws.version import __version__

from .atomic_write import TEMPORARY, write_atomically
from .storage import files_below, read_bytes

SEED_MANIFEST = 'seed.json'
SALIENCY_MANIFEST = 'saliency.json'


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
        """Whether the manifest is there and says so."""
        content = self._read()
        # Once only complete folders had a manifest, without that key.
        return content is not None and bool(content.get('complete', True))

    def check(self, *, overwrite: bool = False) -> None:
        """Refuse, by a FileExistsError, a folder that something else or another recipe has filled.

        With ``overwrite`` the folder is about to be emptied, so that any recipe may have made it.
        """
        found = self.stored_recipe()
        if found is None:
            foreign = len(self.finished())
            # Another process may have begun to fill it meanwhile: that marks before it writes.
            found = self.stored_recipe()
            if found is None and foreign:
                raise FileExistsError(
                    f'{self.path} holds {foreign} {self.suffix} files but no {self._manifest.name}'
                    ': something else made it. Choose another output folder, or remove these files '
                    'by hand.'
                )
        if found not in (None, self.recipe) and not overwrite:
            raise FileExistsError(
                f'{self.path} was made by another recipe: {_differences(found, self.recipe)}. '
                f'{self._remedy}'
            )

    def stored_recipe(self) -> dict | None:
        """Read the recipe of what is there, finished or not; None where nothing says so."""
        content = self._read()
        return None if content is None else content['recipe']

    def clear(self) -> None:
        """Remove the folder's own files, so that any recipe may fill it; others stay.

        A run that is stopped here leaves an unfinished folder of the old recipe, which is what the
        rest of the files are. Where nothing says that the files are of this kind, none is removed.
        """
        self.check(overwrite=True)
        found = self.stored_recipe()
        if found is None:
            return
        self._write(found, complete=False)
        for image_id in self.finished():
            self.file(image_id).unlink(missing_ok=True)
        self._manifest.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Create the folder, :meth:`check` it and mark it as being filled by this recipe.

        Several processes may do so at once: the first one's recipe holds for all.
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
        """List the ids of the images whose file is there; a power cut may leave an empty one."""
        names = files_below(self.path) if self.path.is_dir() else ()
        return {
            name.removesuffix(self.suffix)
            for name in names
            if name.endswith(self.suffix) and os.path.getsize(f'{self.path}/{name}')
        }

    def file(self, image_id: str) -> Path:
        """Name an image's file; an id may hold folders."""
        return self.path / f'{image_id}{self.suffix}'

    def complete(self, image_ids: Collection[str]) -> bool:
        """Mark the folder as complete if all these images are there; True if they are.

        What killed processes have left of images is removed then. What there is of the manifest is
        not: another process may be writing it at this moment.
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
        """Read the manifest; None where there is none."""
        try:
            content = json.loads(read_bytes(self._manifest))
            if not isinstance(content['recipe'], dict):
                raise TypeError('its recipe is no JSON object')
        except FileNotFoundError:
            return None
        except (KeyError, OSError, TypeError, ValueError) as error:
            raise ValueError(
                f'{self._manifest} cannot be read as the manifest of a folder ({error}). Choose '
                'another folder, or remove this one by hand.'
            ) from error
        return content


def _differences(found: dict, wanted: dict) -> str:
    """Name the first few keys in which two recipes differ, nested ones as ``crf.iterations``."""
    found, wanted = dict(_flat(found)), dict(_flat(wanted))
    texts = [
        f'{key} is {reprlib.repr(found.get(key))} there and {reprlib.repr(wanted.get(key))} here'
        for key in sorted({*found, *wanted})
        if found.get(key) != wanted.get(key)
    ]
    more = f', and {len(texts) - 3} more' if len(texts) > 3 else ''
    return ', '.join(texts[:3]) + more


def _flat(recipe: dict, prefix: str = '') -> Iterator[tuple[str, object]]:
    for key, value in recipe.items():
        if isinstance(value, dict):
            yield from _flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value
