"""What is in folders of label maps, and whether they can be trained with.

Label maps come from anywhere: published pseudo-masks, annotators, another program. Here they are
counted, compared with their images and with each other, before a training depends on them.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from mmws.files.label_map import read_label_map, voc_palette
from mmws.seeds.vote import UNKNOWN, vote

# EXIF orientations under which a decoder turns the image by 90 degrees, as OpenCV does.
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112
# Of a problem that thousands of files share, this many are named.
_NAMED = 5
# Imperfect maps of one task agree at 70 to 95 % of the pixels; below this something else is wrong.
_LOW_AGREEMENT = 0.5

GREY, OTHER = 'grey', 'other'


@dataclass
class MapsOfImage:
    """One image and its K label maps.

    Attributes:
        image_id: The name in reports.
        image: Path of the image; None leaves the size to the majority of the maps.
        maps: K paths; None where a folder lacks the map.
    """

    image_id: str
    image: str | None
    maps: Sequence[str | None]


@dataclass
class Problem:
    """One kind of defect in one folder.

    Attributes:
        count: How many files have it.
        examples: What is wrong with the first of them.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class SeedStatistics:
    """Counts over the maps of many images; the counts of two sets of images can be added.

    Attributes:
        images: Number of images.
        maps: (K,) how many maps were read without a defect.
        pixels: (K, 256) pixels of each label; 255 is unknown.
        in_maps: (K, 256) maps in which the label occurs.
        both_known: (K, K) pixels that two seeds know.
        same: (K, K) pixels of these at which they agree.
        voted: (K, 256) pixels of each label in the majority vote of all seeds, where the seed
            knows the pixel.
        with_vote: (K, 256) pixels of these at which the seed agrees.
        known_with_vote: (K, 256) the seed's own pixels of each label, where all is counted that
            the vote knows; with the two before it gives an IoU.
        palettes: Per seed, the palettes that occur, as bytes of RGB triples, or ``'grey'`` or
            ``'other'``, with their number of files.
        problems: Per seed, kind of problem -> :class:`Problem`.
        bad_images: What is wrong with the images themselves.
    """

    images: int
    maps: np.ndarray
    pixels: np.ndarray
    in_maps: np.ndarray
    both_known: np.ndarray
    same: np.ndarray
    voted: np.ndarray
    with_vote: np.ndarray
    known_with_vote: np.ndarray
    palettes: list[dict[bytes | str, int]]
    problems: list[dict[str, Problem]]
    bad_images: Problem

    @classmethod
    def empty(cls, num_seeds: int) -> SeedStatistics:
        """The statistics of no image."""

        def table(*shape: int) -> np.ndarray:
            return np.zeros(shape, np.int64)

        return cls(
            images=0,
            maps=table(num_seeds),
            pixels=table(num_seeds, 256),
            in_maps=table(num_seeds, 256),
            both_known=table(num_seeds, num_seeds),
            same=table(num_seeds, num_seeds),
            voted=table(num_seeds, 256),
            with_vote=table(num_seeds, 256),
            known_with_vote=table(num_seeds, 256),
            palettes=[{} for _ in range(num_seeds)],
            problems=[{} for _ in range(num_seeds)],
            bad_images=Problem(),
        )

    @property
    def num_seeds(self) -> int:
        """K."""
        return len(self.maps)

    def add(self, other: SeedStatistics) -> None:
        """Adds the counts of other images."""
        self.images += other.images
        for name in (
            'maps',
            'pixels',
            'in_maps',
            'both_known',
            'same',
            'voted',
            'with_vote',
            'known_with_vote',
        ):
            getattr(self, name)[...] += getattr(other, name)
        for mine, others in zip(self.palettes, other.palettes, strict=True):
            for palette, count in others.items():
                _count_palette(mine, palette, count)
        for mine, others in zip(self.problems, other.problems, strict=True):
            for kind, problem in others.items():
                _add_problem(mine.setdefault(kind, Problem()), problem)
        _add_problem(self.bad_images, other.bad_images)

    def report(self, seed: int, kind: str, text: str, count: int = 1) -> None:
        """Notes a problem of one folder."""
        _add_problem(self.problems[seed].setdefault(kind, Problem()), Problem(count, [text]))

    @property
    def agreement(self) -> np.ndarray:
        """(K, K) share of the pixels both know at which two seeds agree; NaN without any."""
        return _share(self.same, self.both_known)

    @property
    def unknown(self) -> np.ndarray:
        """(K,) share of unknown pixels."""
        return _share(self.pixels[:, UNKNOWN], self.pixels.sum(1))

    def iou_with_vote(self) -> np.ndarray:
        """(K, 255) IoU of each label of a seed with the majority vote; NaN where neither has it.

        Counted where both the seed and the vote know the pixel. The vote includes the seed.
        """
        union = self.voted + self.known_with_vote - self.with_vote
        return _share(self.with_vote, union)[:, :UNKNOWN]


def check_images(
    jobs: Sequence[MapsOfImage],
    *,
    num_classes: int | None = None,
    reduce_zero_label: bool = False,
    compare: bool = True,
) -> SeedStatistics:
    """Reads the label maps of some images.

    A map with a defect (damaged, other size, no class ids) is noted and left out of the counts.

    Args:
        jobs: The images, all with K maps.
        num_classes: Labels must be below it, or 255.
        reduce_zero_label: As in mmseg: 0 is unknown and the other labels move down by one, before
            anything else is looked at.
        compare: Count agreements too, which takes K * K / 2 comparisons per image.
    """
    statistics = SeedStatistics.empty(len(jobs[0].maps) if jobs else 0)
    for job in jobs:
        _check_image(job, statistics, num_classes, reduce_zero_label, compare)
    return statistics


def verdict(
    statistics: SeedStatistics, names: Sequence[str], *, num_classes: int | None = None
) -> tuple[list[str], list[str]]:
    """What is wrong with the folders, and what looks odd.

    Args:
        statistics: Of all images.
        names: K names of the seeds.
        num_classes: With background, where the labels have one.

    Returns:
        Errors, which keep mmws from training or make it learn nonsense, and warnings.
    """
    errors, warnings = [], []
    if statistics.bad_images.count:
        errors.append(_told('images', 'unreadable', statistics.bad_images))
    for k, name in enumerate(names):
        errors += [_told(name, kind, problem) for kind, problem in statistics.problems[k].items()]
        labels = np.flatnonzero(statistics.in_maps[k])
        known = labels[labels != UNKNOWN]
        if not statistics.maps[k]:
            errors.append(f'{name}: no map could be read.')
            continue
        if len(known) == 0:
            errors.append(f'{name}: every pixel of every map is 255 (unknown).')
        elif known.tolist() == [0] and UNKNOWN in labels:
            errors.append(
                f'{name}: the only labels are 0 and 255, and 255 means unknown. If 255 is the '
                'foreground of binary masks, write it as 1.'
            )
        elif len(known) == 1 and statistics.images > 1:
            warnings.append(f'{name}: one single label, {known[0]}, in all maps.')
        elif 0 not in known and num_classes in (None, int(known.max())):
            warnings.append(
                f'{name}: no pixel is 0, labels are {known.min()}..{known.max()}. Do they start at '
                '1 (reduce_zero_label)?'
            )
        palettes = {p: n for p, n in statistics.palettes[k].items() if isinstance(p, bytes)}
        if len(palettes) > 1:
            warnings.append(
                f'{name}: the maps have {len(palettes)} different palettes. If they were made by '
                'reducing colour images to palettes, their indices are no class ids.'
            )
        if len(statistics.palettes[k]) > 1 and len(palettes) <= 1:
            warnings.append(f'{name}: palette and grey maps are mixed.')
        if statistics.unknown[k] > 0.9:
            warnings.append(f'{name}: {statistics.unknown[k]:.0%} of the pixels are unknown.')
    occurs = statistics.in_maps[:, :UNKNOWN] > 0
    if len(names) > 1:
        others = ~np.eye(len(names), dtype=bool)
        for k, name in enumerate(names):
            agreed = _share(
                statistics.same[k, others[k]].sum(), statistics.both_known[k, others[k]].sum()
            )
            if agreed < _LOW_AGREEMENT:
                warnings.append(
                    f'{name}: agrees with the other seeds at {agreed:.0%} of the pixels only. Does '
                    'it use the same class ids?'
                )
            lacking = np.flatnonzero(occurs.any(0) & ~occurs[k])
            if len(lacking) and statistics.maps[k]:
                warnings.append(
                    f'{name}: labels that other seeds have never occur: {_shortened(lacking)}.'
                )
    for a in range(len(names)):
        for b in range(a):
            identical = (
                statistics.both_known[a, b] == statistics.same[a, b] > 0
                and (statistics.pixels[a] == statistics.pixels[b]).all()
            )
            if identical:
                errors.append(
                    f'{names[a]} and {names[b]} are the same maps: a seed that counts twice '
                    'outvotes the others. Leave one out.'
                )
    return errors, warnings


def palette_of(path: str | Path) -> bytes | str:
    """The palette of a PNG, RGB triples, read from its header.

    Returns:
        The bytes of the palette; ``'grey'`` for a greyscale PNG; ``'other'`` for anything else.
    """
    with open(path, 'rb') as file:
        start = file.read(33)
        if start[:8] != b'\x89PNG\r\n\x1a\n' or len(start) < 33:
            return OTHER
        colour = start[25]
        if colour == 0:
            return GREY
        if colour != 3:
            return OTHER
        while True:
            head = file.read(8)
            if len(head) < 8 or head[4:] == b'IDAT':
                return OTHER
            (length,) = struct.unpack('>I', head[:4])
            if head[4:] == b'PLTE':
                return file.read(length)
            file.seek(length + 4, 1)


def describe_palettes(palettes: Mapping[bytes | str, int]) -> str:
    """The palettes of a folder in a word or two: ``'VOC colours'``, ``'grey'``, ..."""
    names = []
    voc = voc_palette().astype(np.uint8).tobytes()
    for palette in palettes:
        if isinstance(palette, bytes):
            names.append('VOC colours' if _same_palette(palette, voc) else 'palette')
        else:
            names.append(palette)
    return ' + '.join(sorted(set(names))) or '-'


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of an image as OpenCV loads it, that is with its EXIF orientation applied."""
    with Image.open(path) as image:
        width, height = image.size
        if image.getexif().get(_ORIENTATION) in _TURNED:
            return width, height
        return height, width


def _check_image(
    job: MapsOfImage,
    statistics: SeedStatistics,
    num_classes: int | None,
    reduce_zero_label: bool,
    compare: bool,
) -> None:
    statistics.images += 1
    size = None
    if job.image is not None:
        try:
            size = image_size(job.image)
        except (OSError, SyntaxError, ValueError) as error:
            _add_problem(statistics.bad_images, Problem(1, [f'{job.image}: {error}']))
    maps: dict[int, np.ndarray] = {}
    for k, path in enumerate(job.maps):
        if path is None:
            continue
        try:
            labels = read_label_map(path)
            palette = palette_of(path)
        except (ValueError, OSError) as error:
            statistics.report(k, 'cannot be read', str(error))
            continue
        _count_palette(statistics.palettes[k], palette, 1)
        if reduce_zero_label:
            # 0 and 255 wrap to 255 and 254.
            labels = np.where(labels == UNKNOWN, UNKNOWN, labels - np.uint8(1))
        maps[k] = labels
    if size is None and maps:
        sizes = [labels.shape for labels in maps.values()]
        size = max(sizes, key=sizes.count)
    for k, labels in list(maps.items()):
        if labels.shape != size:
            statistics.report(
                k,
                'of another size than the image' if job.image else 'of another size than the rest',
                f'{job.maps[k]} is {labels.shape[1]}x{labels.shape[0]}, '
                f'expected {size[1]}x{size[0]} (width x height)',
            )
            del maps[k]
            continue
        histogram = np.bincount(labels.ravel(), minlength=256)
        if num_classes is not None and histogram[num_classes:UNKNOWN].any():
            found = num_classes + np.flatnonzero(histogram[num_classes:UNKNOWN])
            statistics.report(
                k,
                f'with labels outside 0..{num_classes - 1} and 255',
                f'{job.maps[k]} holds {_shortened(found)}',
            )
            del maps[k]
            continue
        statistics.maps[k] += 1
        statistics.pixels[k] += histogram
        statistics.in_maps[k] += histogram > 0
    if compare and maps:
        _compare(maps, statistics)


def _compare(maps: Mapping[int, np.ndarray], statistics: SeedStatistics) -> None:
    places = np.array(list(maps))
    stack = np.stack(list(maps.values())).reshape(len(maps), -1)
    known = stack != UNKNOWN
    for i, a in enumerate(places):
        both = known[: i + 1] & known[i]
        same = (stack[: i + 1] == stack[i]) & both
        for j, b in enumerate(places[: i + 1]):
            for table, value in ((statistics.both_known, both[j]), (statistics.same, same[j])):
                count = np.count_nonzero(value)
                table[a, b] += count
                if a != b:
                    table[b, a] += count
    winner = vote(stack[:, None])[0]
    for k, labels, knows in zip(places, stack, known, strict=True):
        statistics.voted[k] += np.bincount(winner[knows], minlength=256)
        statistics.known_with_vote[k] += np.bincount(labels[knows], minlength=256)
        statistics.with_vote[k] += np.bincount(labels[knows & (labels == winner)], minlength=256)


def _count_palette(palettes: dict[bytes | str, int], palette: bytes | str, count: int) -> None:
    """Counts a palette; writers cut off the colours that a file does not use."""
    if isinstance(palette, bytes):
        for known in palettes:
            if isinstance(known, bytes) and _same_palette(known, palette):
                longest = max(known, palette, key=len)
                palettes[longest] = palettes.pop(known) + count
                return
    palettes[palette] = palettes.get(palette, 0) + count


def _same_palette(a: bytes, b: bytes) -> bool:
    length = min(len(a), len(b))
    return a[:length] == b[:length]


def _add_problem(mine: Problem, other: Problem) -> None:
    mine.count += other.count
    mine.examples = (mine.examples + other.examples)[:_NAMED]


def _told(name: str, kind: str, problem: Problem) -> str:
    return f'{name}: {problem.count} {kind}, the first: {problem.examples[0]}'


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def _shortened(numbers: np.ndarray) -> str:
    shown = ', '.join(str(number) for number in numbers[:12])
    return shown + (', ...' if len(numbers) > 12 else '')
