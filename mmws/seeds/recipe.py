"""What the seeds of one classifier are made by: every number, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from .cam import MERGES, merge_cams, upsample_cam
from .cam_store import ImageCAMs
from .crf import CRFOptions
from .seed import crf_seeds, saliency_from_cam, threshold_seed

TYPES = ('threshold', 'crf')
SOURCES = ('map', 'cam')


@dataclass(frozen=True)
class ThresholdOptions:
    """Numbers of the threshold seed, see :func:`mmws.seeds.seed.threshold_seed`."""

    foreground: float = 0.1
    background: float = 0.06
    sparse_fallback: bool = False


@dataclass(frozen=True)
class SaliencyOptions:
    """Where the background comes from.

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


@dataclass(frozen=True)
class SeedRecipe:
    """Says which seeds are made of an image's CAMs, and how; section 4 of the paper by default.

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

    prefix: str
    scales: tuple[float, ...] = (1.0, 0.75, 0.5)
    types: tuple[str, ...] = TYPES
    flip: bool = False
    merge: str | None = None
    labels: tuple[int, ...] | None = None
    saliency: SaliencyOptions = field(default_factory=SaliencyOptions)
    threshold: ThresholdOptions = field(default_factory=ThresholdOptions)
    crf: CRFOptions = field(default_factory=CRFOptions)

    @classmethod
    def from_dict(cls, options: Mapping) -> SeedRecipe:
        """Reads a recipe, as a config states it in ``seeds``.

        Raises:
            ValueError: An unknown key, a missing prefix, or a value that makes no sense.
        """
        options = dict(options)
        parts = dict(saliency=SaliencyOptions, threshold=ThresholdOptions, crf=CRFOptions)
        for name, part in parts.items():
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
        recipe = fill(cls, options, 'seeds')
        recipe._check()
        return recipe

    @property
    def names(self) -> list[str]:
        """Names of the seeds, in the order of :meth:`make`."""
        return [_seed_name(self.prefix, kind, tag) for kind in self.types for tag in self._tags]

    def identity(self, name: str, *, maps: str | None = None) -> dict:
        """What the seed of this name depends on, for its manifest: JSON.

        Args:
            name: Of the seed.
            maps: Tells saliency maps from others, where that is known.
        """
        kind, tag = next(
            (kind, tag)
            for kind in self.types
            for tag in self._tags
            if _seed_name(self.prefix, kind, tag) == name
        )
        saliency = asdict(self.saliency)
        del saliency['sparse_share']  # only reported, but for the fallback, see below
        for unused in ('alpha',) if self.saliency.source == 'map' else ('folder', 'suffix'):
            del saliency[unused]
        if maps is not None and self.saliency.source == 'map':
            saliency['maps'] = maps
        options = asdict(self.threshold if kind == 'threshold' else self.crf)
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
        """Makes the seeds of one image.

        The CRF always runs on all of the image's CAM sets together, also where only some of its
        seeds are asked for, so that a seed does not depend on when it was made.

        Args:
            image: (H, W, 3) uint8, RGB, as decoded.
            cams: CAMs of at least the recipe's scales.
            saliency: (H, W) uint8, or None if the recipe takes it from the CAMs.
            names: Which seeds; all by default.

        Returns:
            Name -> (H, W) uint8.

        Raises:
            ValueError: A scale is missing, or sizes do not fit.
        """
        wanted = set(self.names if names is None else names)
        sets = self._cam_sets(cams, image.shape[:2])
        if self.saliency.source == 'cam':
            # Without a class there is no CAM, and all is background.
            empty = np.zeros(image.shape[:2], np.float32)
            maps = [
                saliency_from_cam(cam, self.saliency.alpha) if len(cam) else empty for cam in sets
            ]
        elif saliency is None:
            raise ValueError("the recipe's seeds.saliency.source is 'map', but no map was given.")
        else:
            maps = [saliency] * len(sets)
        seeds = {}
        for kind in self.types:
            names_of_kind = [_seed_name(self.prefix, kind, tag) for tag in self._tags]
            if not wanted.intersection(names_of_kind):
                continue
            if kind == 'crf':
                made = crf_seeds(
                    image, np.stack(sets), np.stack(maps), cams.class_ids, **asdict(self.crf)
                )
            else:
                made = [
                    threshold_seed(
                        cam,
                        salient,
                        cams.class_ids,
                        sparse_share=self.saliency.sparse_share,
                        **asdict(self.threshold),
                    )
                    for cam, salient in zip(sets, maps, strict=True)
                ]
            seeds.update(zip(names_of_kind, made, strict=True))
        seeds = {name: seed for name, seed in seeds.items() if name in wanted}
        if self.labels is not None:
            numbers = np.arange(256, dtype=np.uint8)
            numbers[1 : len(self.labels) + 1] = self.labels
            seeds = {name: numbers[seed] for name, seed in seeds.items()}
        return seeds

    @property
    def _tags(self) -> tuple[float | str, ...]:
        return (self.merge,) if self.merge else self.scales

    def _cam_sets(self, cams: ImageCAMs, size: tuple[int, int]) -> list[np.ndarray]:
        missing = [scale for scale in self.scales if scale not in cams.maps]
        if missing:
            raise ValueError(f'no CAMs at the scales {missing}; there are {sorted(cams.maps)}.')
        sets = [upsample_cam(cams.maps[scale], size) for scale in self.scales]
        return [merge_cams(sets, self.merge)] if self.merge else sets

    def _check(self) -> None:
        if not self.prefix or '/' in self.prefix:
            raise ValueError(f'seeds.prefix must be the start of a folder name: {self.prefix!r}.')
        if not self.scales or min(self.scales) <= 0 or len(set(self.scales)) != len(self.scales):
            raise ValueError(f'seeds.scales must be distinct positive numbers; got {self.scales}.')
        unknown = [kind for kind in self.types if kind not in TYPES]
        if unknown or not self.types or len(set(self.types)) != len(self.types):
            raise ValueError(f'seeds.types must be among {TYPES}; got {self.types}.')
        if self.merge is not None and self.merge not in MERGES:
            raise ValueError(f'seeds.merge must be None or one of {MERGES}; got {self.merge!r}.')
        labels = self.labels or ()
        if len(set(labels)) != len(labels) or not all(
            isinstance(label, int) and 0 < label < 255 for label in labels
        ):
            raise ValueError(
                'seeds.labels must be distinct whole numbers from 1 to 254, one a class, '
                f'background not among them; got {labels}.'
            )
        if self.saliency.source not in SOURCES:
            raise ValueError(
                f'seeds.saliency.source must be one of {SOURCES}; got {self.saliency.source!r}.'
            )
        if not self.saliency.alpha > 0:
            raise ValueError(f'seeds.saliency.alpha must be positive; got {self.saliency.alpha}.')


def fill(kind: type, options: Mapping, where: str):
    """Builds a dataclass of options from those that are given; ``where`` names them in errors.

    Raises:
        ValueError: An option that there is not, or a value that makes no sense.
    """
    known = kind.__dataclass_fields__
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ValueError(f'{where} has no {unknown[0]!r}; it knows {", ".join(known)}.')
    if 'prefix' in known and 'prefix' not in options:
        raise ValueError(f"{where}.prefix is missing: what the seeds' names start with.")
    return kind(**options)


def _seed_name(prefix: str, kind: str, scale: float | str) -> str:
    """Name of a seed, such as ``vgg16_crf_x0.75``; a merged one is ``vgg16_crf_max``."""
    return f'{prefix}_{kind}_{scale if isinstance(scale, str) else f"x{float(scale)}"}'
