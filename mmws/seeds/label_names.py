"""From the labels of a file to those of a dataset, by names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import numpy as np

from mmws.files.label_map import UNKNOWN, drop_zero_label

_UNKNOWN_NAME = 'unknown'


class LabelNames:
    """Translates labels.

    Args:
        targets: Names of the labels 0, 1, ... that are wanted; None for numbers as they are.
        sources: Names of the labels 0, 1, ... of the files; None where they are those of
            ``targets``, or names already.
        renames: Name or number in the files -> name or number that is wanted, or ``'unknown'``,
            which is 255.
        reduce_zero_label: Before anything else 0 becomes unknown and the other labels move down by
            one, as in mmseg for ADE20K.

    Attributes:
        count: Number of classes of the files, or None where nothing tells.

    Raises:
        ValueError: A name that ``targets`` lacks, or a rename of what ``sources`` lacks.
    """

    def __init__(
        self,
        targets: Sequence[str] | None = None,
        *,
        sources: Sequence[str] | None = None,
        renames: Mapping[str, str] | None = None,
        reduce_zero_label: bool = False,
    ):
        self.targets, self.renames = targets, dict(renames or {})
        self._reduce = reduce_zero_label
        self.count = None if reduce_zero_label else len(sources or targets or ()) or None
        names = [str(label) for label in range(256)] if sources is None else list(sources)
        if lacking := self.renames.keys() - {*names} if sources is not None else ():
            raise ValueError(
                f'{min(lacking)!r} is to be renamed, but the files have no such class.'
            )
        self._table = np.full(256, -1)
        self._table[UNKNOWN] = UNKNOWN
        for label, name in enumerate(names):
            same = targets is None or label < len(targets)
            if sources is not None or same or name in self.renames:
                self._table[label] = self.label(name)

    def label(self, name: str) -> int:
        """Give the label that a name of the files becomes; a ValueError where there is none."""
        wanted = self.renames.get(name, name)
        count = UNKNOWN if self.targets is None else len(self.targets)
        if wanted in (_UNKNOWN_NAME, str(UNKNOWN)):
            return UNKNOWN
        if self.targets is not None and wanted in self.targets:
            return self.targets.index(wanted)
        if wanted.isdigit() and int(wanted) < count:
            return int(wanted)
        near = difflib.get_close_matches(wanted, self.targets or (), 1)
        raise ValueError(
            f'{wanted!r} is no class of {", ".join(self.targets or ["0 to 254"])}. Map it: '
            f'{name}={near[0] if near else "NAME"}, or {name}={_UNKNOWN_NAME}.'
        )

    @property
    def rest(self) -> int:
        """What belongs to no class: background, or unknown where there is no such class."""
        return self.targets.index('background') if 'background' in self.targets else UNKNOWN

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """Translate (H, W) uint8; a label that means nothing is a ValueError."""
        if self._reduce:
            labels = drop_zero_label(labels)
        found = self._table[labels]
        if found.min() < 0:
            foreign = sorted(set(labels[found < 0].tolist()))
            raise ValueError(
                f'the labels {foreign[:8]} are none of the {len(self.targets or ())} classes. Map '
                f'them, such as {foreign[0]}={_UNKNOWN_NAME}, or correct the number of classes.'
            )
        return found.astype(np.uint8)
