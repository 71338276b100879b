"""Check folders of label maps before a training depends on them.

Label maps come from anywhere: published pseudo-masks, annotators, another program. Here they are
counted, and compared with their images, with each other, and with ground truth.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from mmws.files.image_file import BadInputError, image_size
from mmws.files.label_map import (
    UNKNOWN,
    decode_label_map,
    drop_zero_label,
    foreign_labels,
    voc_palette,
)
from mmws.files.storage import read_bytes

from .seed_counts import REFERENCES, SeedCounts, count_image, share

# Imperfect maps of one task agree at 70 to 95 % of the pixels; below this something else is wrong.
_LOW_AGREEMENT = 0.5
# In the place of a seed's number: what concerns the images.
IMAGES = -1
MISSING, BARE = 'missing', 'without any map'
_VOC = voc_palette().tobytes()


@dataclass(frozen=True)
class MapsOfImage:
    """One image, its name in reports, and where what belongs to it should be.

    Attributes:
        maps: Paths of the K label maps.
        image: Path of the image; None leaves the size to the ground truth or most of the maps.
        truth: Path of the ground truth, for scores.
        cams: Classifier -> file of its CAMs, for scores.
    """

    image_id: str
    maps: Sequence[str]
    image: str | None = None
    truth: str | None = None
    cams: Mapping[str, str] = field(default_factory=dict)


class SeedCheck:
    """What a check of K folders has found; the checks of two sets of images can be added.

    Args:
        num_seeds: K.
        num_classes: C; None for any labels.
        scored: The maps will be compared with ground truth.

    Attributes:
        counts: The maps without a defect against the ground truth, or else their majority vote,
            and against each other.
        palettes: Per seed, those that occur, see :func:`palette_of`.
        problems: Number of the seed, or -1, and kind of problem -> what it is, file by file.
    """

    def __init__(self, num_seeds: int, num_classes: int | None = None, *, scored: bool = False):
        self.num_classes = num_classes or UNKNOWN
        num_maps = num_seeds + len(REFERENCES) * scored
        self.counts = SeedCounts.empty(num_seeds, self.num_classes, num_maps=num_maps)
        self.palettes: list[set] = [set() for _ in range(num_seeds)]
        self.problems: dict[tuple[int, str], list[str]] = {}

    def add(self, other: SeedCheck) -> None:
        """Add what was found in other images."""
        self.counts.add(other.counts)
        for mine, others in zip(self.palettes, other.palettes, strict=True):
            mine |= others
        for place, texts in other.problems.items():
            self.problems.setdefault(place, []).extend(texts)

    def problems_of(self, seed: int) -> dict[str, list[str]]:
        """Give the problems of one folder, by kind."""
        return {kind: texts for (place, kind), texts in self.problems.items() if place == seed}

    @property
    def unknown(self) -> np.ndarray:
        """(K,) share of unknown pixels."""
        given = self.counts.given
        return share(given[:, -1], given.sum(1))

    def check_image(
        self,
        job: MapsOfImage,
        *,
        truth: np.ndarray | None = None,
        reduce_zero_label: bool = False,
        backend_args: dict | None = None,
    ) -> None:
        """Read the label maps of an image; a map with a defect is noted and not counted.

        Args:
            job: The image, with K maps.
            truth: Its ground truth, (H, W) uint8, to count against.
            reduce_zero_label: As in mmseg: 0 is unknown and the other labels move down by one,
                before anything else is looked at.
            backend_args: As of mmengine, where maps and image are elsewhere.
        """
        size, kind = None, 'rest'
        if job.image is not None:
            kind = 'image'
            try:
                size = image_size(job.image, backend_args)
            except BadInputError as error:
                self._note(IMAGES, 'unreadable', str(error))
        elif truth is not None:
            size, kind = truth.shape, 'ground truth'
        maps: list[np.ndarray | None] = [None] * len(job.maps)
        missing = 0
        for k, path in enumerate(job.maps):
            try:
                content = read_bytes(path, backend_args)
                maps[k] = decode_label_map(content, path)
                self.palettes[k].add(palette_of(content))
            except FileNotFoundError:
                self._note(k, MISSING, path)
                missing += 1
            except (ValueError, OSError) as error:
                self._note(k, 'cannot be read', str(error))
        if missing == len(maps):
            self._note(IMAGES, BARE, job.image_id)
        if reduce_zero_label:
            maps = [m if m is None else drop_zero_label(m) for m in maps]
        if size is None:
            sizes = Counter(labels.shape for labels in maps if labels is not None)
            size = max(sizes, key=sizes.get, default=None)
        for k, labels in enumerate(maps):
            if labels is None:
                continue
            if labels.shape != size:
                maps[k] = None
                self._note(
                    k,
                    f'of another size than the {kind}',
                    f'{job.maps[k]} is {labels.shape[1]}x{labels.shape[0]}, '
                    f'expected {size[1]}x{size[0]} (width x height)',
                )
            elif foreign := foreign_labels(labels, self.num_classes):
                maps[k] = None
                self._note(
                    k,
                    f'with labels outside 0..{self.num_classes - 1} and 255',
                    f'{job.maps[k]} holds {shortened(foreign)}',
                )
        self.counts.add(count_image(maps, self.num_classes, truth=truth))

    def _note(self, seed: int, kind: str, text: str) -> None:
        self.problems.setdefault((seed, kind), []).append(text)

    def verdict(
        self, names: Sequence[str], *, allow_missing: bool = False
    ) -> tuple[list[str], list[str]]:
        """Tell what is wrong with the folders, and what looks odd.

        With ``allow_missing`` an image may lack some maps, but not all. The first list are errors,
        which keep mmws from training or make it learn nonsense, the second warnings.
        """
        errors, warnings = [], []
        for place, kind in sorted(self.problems):
            texts = self.problems[place, kind]
            # Without leave each folder has said so.
            if kind != (MISSING if allow_missing else BARE):
                name = 'images' if place == IMAGES else names[place]
                errors.append(f'{name}: {len(texts)} {kind}, the first: {texts[0]}')
        occurs = self.counts.images_with[:, :-1] > 0
        for k, name in enumerate(names):
            labels, unknown = np.flatnonzero(occurs[k]), self.unknown[k]
            lacking = np.flatnonzero(occurs.any(0) & ~occurs[k])
            if not self.counts.maps[k]:
                errors.append(f'{name}: no map could be read.')
                continue
            if len(labels) == 0:
                errors.append(f'{name}: every pixel of every map is 255 (unknown).')
            elif labels.tolist() == [0] and unknown:
                errors.append(
                    f'{name}: the only labels are 0 and 255, and 255 means unknown. If 255 is the '
                    'foreground of binary masks, write it as 1.'
                )
            elif len(labels) == 1 and self.counts.images > 1:
                warnings.append(f'{name}: one single label, {labels[0]}, in all maps.')
            elif 0 not in labels and self.num_classes == UNKNOWN:
                warnings.append(
                    f'{name}: no pixel is 0, labels are {labels.min()}..{labels.max()}. Do they '
                    'start at 1 (reduce_zero_label)?'
                )
            palettes = distinct_palettes(self.palettes[k])
            coloured = sum(palette not in ('grey', 'other') for palette in palettes)
            if coloured > 1:
                warnings.append(
                    f'{name}: the maps have {coloured} different palettes. If they were made by '
                    'reducing colour images to palettes, their indices are no class ids.'
                )
            elif len(palettes) > 1:
                warnings.append(f'{name}: palette and grey maps are mixed.')
            if unknown > 0.9:
                warnings.append(f'{name}: {unknown:.0%} of the pixels are unknown.')
            others = np.arange(len(names)) != k
            agreed = share(self.counts.same[k, others].sum(), self.counts.known[k, others].sum())
            if agreed < _LOW_AGREEMENT:
                warnings.append(
                    f'{name}: agrees with the other seeds at {agreed:.0%} of the pixels only. Does '
                    'it use the same class ids?'
                )
            if len(lacking):
                warnings.append(
                    f'{name}: labels that other seeds have never occur: {shortened(lacking)}.'
                )
        # They agree wherever both know, and label as many pixels alike.
        known, same, given = self.counts.known, self.counts.same, self.counts.given
        errors += [
            f'{names[a]} and {names[b]} are the same maps: a seed that counts twice outvotes the '
            'others. Leave one out.'
            for a, b in zip(*np.tril_indices(len(known), -1), strict=True)
            if known[a, b] == same[a, b] > 0 and (given[a] == given[b]).all()
        ]
        return errors, warnings


def palette_of(content: bytes) -> bytes | str:
    """Read a file's palette: ``'VOC colours'``, RGB triples, ``'grey'`` or ``'other'``."""
    with Image.open(io.BytesIO(content)) as image:
        if image.mode != 'P':
            return 'grey' if image.mode == 'L' else 'other'
        palette = bytes(image.palette.palette)
        return 'VOC colours' if _VOC.startswith(palette) else palette


def distinct_palettes(palettes: Collection[bytes | str]) -> list[bytes | str]:
    """List the palettes that differ; writers cut off the colours that a file does not use."""
    return [p for p in palettes if not any(q != p and q[: len(p)] == p for q in palettes)]


def shortened(numbers: Sequence[int]) -> str:
    """Write out the first numbers of a list."""
    shown = ', '.join(str(number) for number in numbers[:12])
    return shown + (', ...' if len(numbers) > 12 else '')
