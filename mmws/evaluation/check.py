"""Check folders of label maps before a training depends on them.

Label maps come from anywhere: published pseudo-masks, annotators, another program. Here they are
counted, and compared with their images and with each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from mmws.files.image_file import BadInputError, image_size
from mmws.files.label_map import UNKNOWN, read_label_map, voc_palette

from .seed_counts import SeedCounts, count_image, foreign_labels, label_histogram, share

# Imperfect maps of one task agree at 70 to 95 % of the pixels; below this something else is wrong.
_LOW_AGREEMENT = 0.5
# In the place of a seed's number: what concerns the images.
IMAGES = -1
MISSING, BARE = 'missing', 'without any map'


@dataclass
class MapsOfImage:
    """One image and where its K label maps should be.

    Attributes:
        image_id: The name in reports.
        image: Path of the image; None leaves the size to the majority of the maps.
        maps: K paths.
    """

    image_id: str
    image: str | None
    maps: Sequence[str]


class SeedCheck:
    """What a check of K folders has found; the checks of two sets of images can be added.

    Args:
        num_seeds: K.
        num_classes: C; None for any labels.

    Attributes:
        counts: The maps against their majority vote and against each other.
        maps: (K,) number of maps that were read without a defect.
        pixels: (K, 256) pixels of each label; 255 is unknown.
        in_maps: (K, 256) maps in which the label occurs.
        palettes: Per seed, the palettes that occur, as bytes of RGB triples, or ``'grey'`` or
            ``'other'``, with their number of files.
        problems: Number of the seed, or -1, and kind of problem -> what it is, file by file.
    """

    def __init__(self, num_seeds: int, num_classes: int | None = None):
        self.counts = SeedCounts.empty(num_seeds, num_classes or UNKNOWN)
        self.maps = np.zeros(num_seeds, np.int64)
        self.pixels, self.in_maps = np.zeros((2, num_seeds, 256), np.int64)
        self.palettes: list[Counter] = [Counter() for _ in range(num_seeds)]
        self.problems: dict[tuple[int, str], list[str]] = {}

    def add(self, other: SeedCheck) -> None:
        """Add what was found in other images."""
        self.counts.add(other.counts)
        for name in ('maps', 'pixels', 'in_maps'):
            getattr(self, name)[...] += getattr(other, name)
        for mine, others in zip(self.palettes, other.palettes, strict=True):
            mine.update(others)
        for (seed, kind), texts in other.problems.items():
            self.note(seed, kind, *texts)

    def note(self, seed: int, kind: str, *texts: str) -> None:
        """Note a problem of one folder, or of the images."""
        self.problems.setdefault((seed, kind), []).extend(texts)

    def problems_of(self, seed: int) -> dict[str, list[str]]:
        """Give the problems of one folder, by kind."""
        return {kind: texts for (place, kind), texts in self.problems.items() if place == seed}

    @property
    def unknown(self) -> np.ndarray:
        """(K,) share of unknown pixels."""
        return share(self.pixels[:, UNKNOWN], self.pixels.sum(1))

    def check_image(
        self, job: MapsOfImage, *, reduce_zero_label: bool = False, pairs: bool = True
    ) -> None:
        """Read the label maps of an image; a map with a defect is noted and not counted.

        Args:
            job: The image, with K maps.
            reduce_zero_label: As in mmseg: 0 is unknown and the other labels move down by one,
                before anything else is looked at.
            pairs: Count agreements too.
        """
        num_classes = self.counts.confusion.shape[1] - 1
        size = None
        if job.image is not None:
            try:
                size = image_size(job.image)
            except BadInputError as error:
                self.note(IMAGES, 'unreadable', str(error))
        maps: list[np.ndarray | None] = [None] * len(job.maps)
        missing = 0
        for k, path in enumerate(job.maps):
            try:
                labels = read_label_map(path)
                palette = palette_of(path)
            except FileNotFoundError:
                self.note(k, MISSING, path)
                missing += 1
                continue
            except (ValueError, OSError) as error:
                self.note(k, 'cannot be read', str(error))
                continue
            self.palettes[k][palette] += 1
            if reduce_zero_label:
                # 0 and 255 wrap to 255 and 254.
                labels = np.where(labels == UNKNOWN, UNKNOWN, labels - np.uint8(1))
            maps[k] = labels
        sizes = [labels.shape for labels in maps if labels is not None]
        if size is None and sizes:
            size = max(sizes, key=sizes.count)
        for k, labels in enumerate(maps):
            if labels is None:
                continue
            histogram = label_histogram(labels)
            foreign = foreign_labels(histogram, num_classes)
            if labels.shape != size:
                maps[k] = None
                self.note(
                    k,
                    f'of another size than the {"image" if job.image else "rest"}',
                    f'{job.maps[k]} is {labels.shape[1]}x{labels.shape[0]}, '
                    f'expected {size[1]}x{size[0]} (width x height)',
                )
            elif foreign:
                maps[k] = None
                self.note(
                    k,
                    f'with labels outside 0..{num_classes - 1} and 255',
                    f'{job.maps[k]} holds {shortened(foreign)}',
                )
            else:
                self.maps[k] += 1
                self.pixels[k] += histogram
                self.in_maps[k] += histogram > 0
        if missing == len(job.maps):
            self.note(IMAGES, BARE, job.image_id)
        self.counts.add(count_image(maps, num_classes, pairs=pairs))

    def verdict(
        self, names: Sequence[str], *, allow_missing: bool = False
    ) -> tuple[list[str], list[str]]:
        """Tell what is wrong with the folders, and what looks odd.

        Args:
            names: K names of the seeds.
            allow_missing: An image may lack some maps, but not all.

        Returns:
            Errors, which keep mmws from training or make it learn nonsense, and warnings.
        """
        errors, warnings = [], []
        counts, num_classes = self.counts, self.counts.confusion.shape[1] - 1
        occurs = self.in_maps[:, :UNKNOWN] > 0
        for place, kind in sorted(self.problems):
            texts = self.problems[place, kind]
            # Without leave each folder has said so.
            if kind != (MISSING if allow_missing else BARE):
                name = 'images' if place == IMAGES else names[place]
                errors.append(f'{name}: {len(texts)} {kind}, the first: {texts[0]}')
        for k, name in enumerate(names):
            if not self.maps[k]:
                errors.append(f'{name}: no map could be read.')
                continue
            known, unknown = np.flatnonzero(occurs[k]), self.unknown[k]
            if len(known) == 0:
                errors.append(f'{name}: every pixel of every map is 255 (unknown).')
            elif known.tolist() == [0] and unknown:
                errors.append(
                    f'{name}: the only labels are 0 and 255, and 255 means unknown. If 255 is the '
                    'foreground of binary masks, write it as 1.'
                )
            elif len(known) == 1 and counts.images > 1:
                warnings.append(f'{name}: one single label, {known[0]}, in all maps.')
            elif 0 not in known and num_classes in (UNKNOWN, known.max()):
                warnings.append(
                    f'{name}: no pixel is 0, labels are {known.min()}..{known.max()}. Do they '
                    'start at 1 (reduce_zero_label)?'
                )
            palettes = distinct_palettes(self.palettes[k])
            coloured = sum(isinstance(palette, bytes) for palette in palettes)
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
            agreed = share(counts.same[k, others].sum(), counts.known[k, others].sum())
            if agreed < _LOW_AGREEMENT:
                warnings.append(
                    f'{name}: agrees with the other seeds at {agreed:.0%} of the pixels only. Does '
                    'it use the same class ids?'
                )
            lacking = np.flatnonzero(occurs.any(0) & ~occurs[k])
            if len(lacking):
                warnings.append(
                    f'{name}: labels that other seeds have never occur: {shortened(lacking)}.'
                )
        for a, b in zip(*np.tril_indices(len(names), -1), strict=True):
            if (
                counts.known[a, b] == counts.same[a, b] > 0
                and (self.pixels[a] == self.pixels[b]).all()
            ):
                errors.append(
                    f'{names[a]} and {names[b]} are the same maps: a seed that counts twice '
                    'outvotes the others. Leave one out.'
                )
        return errors, warnings


def palette_of(path: str) -> bytes | str:
    """Read the palette of an image.

    Returns:
        The bytes of the palette, RGB triples; ``'grey'`` for a greyscale image; ``'other'`` for
        anything else.
    """
    with Image.open(path) as image:
        if image.mode == 'P':
            return bytes(image.palette.palette)
        return 'grey' if image.mode == 'L' else 'other'


def distinct_palettes(palettes: Mapping[bytes | str, int]) -> list[bytes | str]:
    """List the palettes that differ; writers cut off the colours that a file does not use."""
    return [p for p in palettes if not any(q != p and q[: len(p)] == p for q in palettes)]


def describe_palettes(palettes: Mapping[bytes | str, int]) -> str:
    """Describe the palettes of a folder in a word or two: ``'VOC colours'``, ``'grey'``, ..."""
    voc = voc_palette().tobytes()
    names = {
        p if isinstance(p, str) else 'VOC colours' if voc.startswith(p) else 'palette'
        for p in palettes
    }
    return ' + '.join(sorted(names)) or '-'


def shortened(numbers: Sequence[int]) -> str:
    """Write out the first numbers of a list."""
    shown = ', '.join(str(number) for number in numbers[:12])
    return shown + (', ...' if len(numbers) > 12 else '')
