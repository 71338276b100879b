"""The recipe of the seeds of one classifier: every number, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from mmws.files.label_map import BACKGROUND

from .cam import MERGES, merge_cams, upsample_cam
from .cam_store import ImageCAMs
from .crf import CRFOptions
from .seed import (
    ThresholdOptions,
    check_share,
    crf_seeds,
    saliency_from_cam,
    threshold_seed,
)

# Kind of seed -> its numbers, which a recipe holds under the same name.
TYPES = {'threshold': ThresholdOptions, 'crf': CRFOptions}
SOURCES = ('map', 'cam')


@dataclass(frozen=True)
class SaliencyOptions:
    """The source of the background.

    Attributes:
        source: ``'map'``, a file ``<id><suffix>`` an image; or ``'cam'``, where there are none:
            1 - (1 - max CAM)^alpha of the same scale.
        folder: Folder of the maps, relative to the dataset's ``data_root``.
        suffix: Ending of the maps' file names.
        alpha: Exponent of ``'cam'``.
        sparse_share: An image in which less than this share is salient is counted and reported.
    """

    source: str = 'map'
    folder: str = 'saliency'
    suffix: str = '.png'
    alpha: float = 4.0
    sparse_share: float = 0.01

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ValueError(
                f'seeds.saliency.source must be one of {SOURCES}; got {self.source!r}.'
            )
        if not 0 < self.alpha < np.inf:
            raise ValueError(f'seeds.saliency.alpha must be positive; got {self.alpha}.')
        check_share('seeds.saliency.sparse_share', self.sparse_share)


@dataclass(frozen=True)
class SeedRecipe:
    """The seeds that are made of an image's CAMs, and how; section 4 of the paper by default.

    Attributes:
        prefix: What their names start with: the classifier, such as ``vgg16``.
        scales: Factors of the image's size that CAMs are made at. One seed each and type.
        types: Of ``'threshold'`` and ``'crf'``.
        flip: Average the class maps with those of the mirror image. The paper does not.
        merge: Instead of one seed a scale, one of the CAMs fused by ``'max'`` or ``'mean'``
            (Table 3).
        labels: Label of each class in the seeds, for data whose label maps number the classes
            otherwise than class id + 1: those of VOC's cat, cow and dog are (8, 10, 12).
        saliency: See :class:`SaliencyOptions`.
        threshold: See :class:`ThresholdOptions`.
        crf: See :class:`mmws.seeds.crf.CRFOptions`.
    """

    prefix: str = ''
    scales: tuple[float, ...] = (1.0, 0.75, 0.5)
    types: tuple[str, ...] = tuple(TYPES)
    flip: bool = False
    merge: str | None = None
    labels: tuple[int, ...] | None = None
    saliency: SaliencyOptions = field(default_factory=SaliencyOptions)
    threshold: ThresholdOptions = field(default_factory=ThresholdOptions)
    crf: CRFOptions = field(default_factory=CRFOptions)

    def __post_init__(self) -> None:
        if not isinstance(self.prefix, str) or not self.prefix or '/' in self.prefix:
            raise ValueError(f'seeds.prefix must be the start of a folder name: {self.prefix!r}.')
        distinct = len(set(self.scales)) == len(self.scales) > 0
        if not distinct or not all(0 < scale < np.inf for scale in self.scales):
            raise ValueError(f'seeds.scales must be distinct positive numbers; got {self.scales}.')
        if not self.types or {*self.types} - {*TYPES} or len({*self.types}) != len(self.types):
            raise ValueError(f'seeds.types must be among {(*TYPES,)}; got {self.types}.')
        if self.merge is not None and self.merge not in MERGES:
            raise ValueError(f'seeds.merge must be None or one of {MERGES}; got {self.merge!r}.')
        labels = self.labels or ()
        whole = all(isinstance(label, int) and 0 < label < 255 for label in labels)
        if not whole or len(set(labels)) != len(labels):
            raise ValueError(
                'seeds.labels must be distinct whole numbers from 1 to 254, one a class, '
                f'background not among them; got {labels}.'
            )

    @classmethod
    def from_dict(cls, options: Mapping) -> SeedRecipe:
        """Read a recipe, as a config states it in ``seeds``; a ValueError says what is wrong."""
        options = dict(options)
        for name, part in dict(TYPES, saliency=SaliencyOptions).items():
            options[name] = fill(part, options.get(name) or {}, f'seeds.{name}')
        for name in ('scales', 'types'):
            if name in options:
                value = options[name]
                single = isinstance(value, str) or not isinstance(value, Sequence)
                options[name] = (value,) if single else tuple(value)
        if 'scales' in options:
            options['scales'] = tuple(float(scale) for scale in options['scales'])
        if options.get('labels') is not None:
            options['labels'] = tuple(options['labels'])
        return fill(cls, options, 'seeds')

    @property
    def names(self) -> list[str]:
        """List the names of the seeds, in the order of :meth:`make`."""
        return [_seed_name(self.prefix, kind, tag) for kind, tag in self._kinds]

    def identity(self, name: str, *, maps: str | None = None) -> dict:
        """Describe what the seed of this name depends on, for its manifest: JSON.

        Args:
            name: Of the seed.
            maps: Tells saliency maps from others, where that is known.
        """
        kind, tag = self._kinds[self.names.index(name)]
        saliency = asdict(self.saliency)
        del saliency['sparse_share']  # only reported, but for the fallback, see below
        for unused in ('alpha',) if self.saliency.source == 'map' else ('folder', 'suffix'):
            del saliency[unused]
        if maps is not None and self.saliency.source == 'map':
            saliency['maps'] = maps
        options = asdict(getattr(self, kind))
        if options.get('sparse_fallback'):
            saliency['sparse_share'] = self.saliency.sparse_share
        described = {
            'type': kind,
            'scales': list(self.scales) if self.merge else [tag],
            'merge': self.merge,
            'flip': self.flip,
            'saliency': saliency,
            kind: options,
        }
        if self.labels is not None:
            described['labels'] = list(self.labels)
        return described

    def make(
        self,
        image: np.ndarray,
        cams: ImageCAMs,
        saliency: np.ndarray | None,
        names: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Make the seeds of one image.

        The CRF always runs on all of the image's CAM sets together, also where only some of its
        seeds are asked for, so that a seed does not depend on when it was made. An image without
        any class is background everywhere, whatever saliency finds in it.

        Args:
            image: (H, W, 3) uint8, RGB, as decoded.
            cams: CAMs of at least the recipe's scales.
            saliency: (H, W) uint8, or None if the recipe takes it from the CAMs.
            names: Which seeds; all by default.

        Returns:
            Name -> (H, W) uint8.
        """
        wanted = self.names if names is None else list(names)
        size = image.shape[:2]
        if not cams.class_ids:
            return {name: np.full(size, BACKGROUND, np.uint8) for name in wanted}
        sets = [upsample_cam(cams.maps[scale], size) for scale in self.scales]
        if self.merge:
            sets = [merge_cams(sets, self.merge)]
        if self.saliency.source == 'cam':
            maps = [saliency_from_cam(cam, self.saliency.alpha) for cam in sets]
        else:
            maps = [saliency] * len(sets)
        made = {}
        for kind in self.types:
            of_kind = [_seed_name(self.prefix, kind, tag) for tag in self._tags]
            if not {*wanted}.intersection(of_kind):
                continue
            if kind == 'crf':
                seeds = crf_seeds(
                    image, np.stack(sets), np.stack(maps), cams.class_ids, **asdict(self.crf)
                )
            else:
                options = dict(asdict(self.threshold), sparse_share=self.saliency.sparse_share)
                seeds = [
                    threshold_seed(cam, salient, cams.class_ids, **options)
                    for cam, salient in zip(sets, maps, strict=True)
                ]
            made.update(zip(of_kind, seeds, strict=True))
        # Labels are class ids + 1 so far.
        numbers = np.arange(256, dtype=np.uint8)
        numbers[1 : len(self.labels or ()) + 1] = self.labels or ()
        return {name: numbers[made[name]] for name in wanted}

    @property
    def _tags(self) -> tuple[float | str, ...]:
        return (self.merge,) if self.merge else self.scales

    @property
    def _kinds(self) -> list[tuple[str, float | str]]:
        return [(kind, tag) for kind in self.types for tag in self._tags]


def fill(kind: type, options: Mapping, where: str):
    """Build a dataclass of options from those that are given; ``where`` names them in errors."""
    known = kind.__dataclass_fields__
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ValueError(f'{where} has no {unknown[0]!r}; it knows {", ".join(known)}.')
    return kind(**options)


def _seed_name(prefix: str, kind: str, scale: float | str) -> str:
    """Name a seed, such as ``vgg16_crf_x0.75``; a merged one is ``vgg16_crf_max``."""
    return f'{prefix}_{kind}_{scale if isinstance(scale, str) else f"x{float(scale)}"}'
