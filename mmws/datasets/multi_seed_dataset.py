"""Any mmseg dataset with K label maps per image."""

from __future__ import annotations

import copy
import os
import os.path as osp
from collections.abc import Iterator, Sequence

from mmcv.transforms import BaseTransform, Compose, LoadAnnotations
from mmengine.dataset import BaseDataset, force_full_init
from mmseg.datasets.transforms import GenerateEdge, PackSegInputs, RandomCrop, RandomRotFlip
from mmseg.registry import DATASETS
from PIL import Image

from mmws.files.label_map import read_label_map

from .consensus_view import ConsensusView
from .flip_swap_labels import FlipSwapLabels
from .load_multi_seed_annotations import LoadMultiSeedAnnotations
from .pack_multi_seed_inputs import PackMultiSeedInputs
from .rotate_flip_labels import RotateFlipLabels

# Libraries whose transforms move a label map without looking at its values, but for the two that
# ConsensusView serves.
_KNOWN_LIBRARIES = ('mmcv.', 'mmseg.', 'mmws.')


@DATASETS.register_module()
class MultiSeedDataset:
    """Gives each image of an mmseg dataset K label maps, its seeds, from K folders.

    It wraps a dataset config, so that everything mmseg knows stays as it is: the list file,
    prefixes, suffixes, ``metainfo``, ``reduce_zero_label`` and the pipeline. The wrapped dataset's
    own label maps are not read and need not exist; their *names* name the seeds: the seed of
    ``<seg_map_path prefix>/a/b.png`` is ``<seed dir>/a/b.png``. A dataset without such a prefix
    names them by its images.

    In a stock pipeline ``LoadAnnotations`` and ``PackSegInputs`` are replaced by their multi-seed
    counterparts; one that already holds those is left as it is. Where ``dataset`` is itself a
    wrapper (RepeatDataset, ConcatDataset, ClassBalancedDataset, MultiImageMixDataset), the result
    is that wrapper around a MultiSeedDataset.

    All K x N paths are checked at start, with one directory scan per folder.

    Args:
        dataset: The config of the dataset to wrap.
        seed_dirs: The K folders, in this order; or None: the wrapped dataset's own label maps are
            its only seed, for mixing fully labelled images with multi-seed ones (ConcatDataset).
        seed_root: Prepended to the folders that are no absolute paths.
        seed_suffix: What seed file names end with instead of the dataset's ``seg_map_suffix``.
        allow_missing: An image may lack some of its seeds, but not all; by default a missing file
            is an error.
        lazy_init: Do not read anything before :meth:`full_init` is called.
        mixed: The pipeline's end stands in an outer MultiImageMixDataset (set by mmws where that
            wraps this dataset).

    Example:
        >>> train_dataloader = dict(dataset=dict(
        ...     _delete_=True,
        ...     type='mmws.MultiSeedDataset',
        ...     dataset={{_base_.train_dataloader.dataset}},
        ...     seed_dirs=['annotator_a', 'annotator_b', 'annotator_c']))
    """

    def __new__(cls, dataset: dict | BaseDataset | None = None, **options):
        # pickle makes an empty object first: dataset is None there.
        if isinstance(dataset, dict) and ('dataset' in dataset or 'datasets' in dataset):
            made = DATASETS.build(_wrap_inner_datasets(dataset, options))
            if dataset.get('pipeline') is not None:
                _check_mixable(made)
            return made
        return super().__new__(cls)

    def __init__(
        self,
        dataset: dict | BaseDataset,
        *,
        seed_dirs: Sequence[str] | None,
        seed_root: str = '',
        seed_suffix: str | None = None,
        allow_missing: bool = False,
        lazy_init: bool = False,
        mixed: bool = False,
    ):
        if isinstance(seed_dirs, str):
            seed_dirs = [seed_dirs]
        if seed_dirs is not None and not seed_dirs:
            raise ValueError(
                "seed_dirs is empty: name the folders of label maps, or None for the dataset's own "
                'label maps as the only seed.'
            )
        if isinstance(dataset, dict):
            dataset = DATASETS.build({**dataset, 'lazy_init': True})
        self.dataset = dataset
        self.seed_dirs = None if seed_dirs is None else [osp.join(seed_root, d) for d in seed_dirs]
        self.seed_suffix = seed_suffix
        self.allow_missing = allow_missing
        self._mixed = mixed
        self.pipeline = self.dataset.pipeline
        _take_seeds(self.pipeline, mixed, self.dataset.reduce_zero_label)
        self._metainfo = self.dataset.metainfo
        self._missing: dict[str, frozenset[int]] = {}
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """The wrapped dataset's (ConcatDataset wants it equal in all its datasets)."""
        return copy.deepcopy(self._metainfo)

    @property
    def seed_names(self) -> list[str]:
        """What tells the K folders apart: their names, or their paths where names repeat."""
        if self.seed_dirs is None:
            return ['labels']
        names = [osp.basename(osp.normpath(folder)) for folder in self.seed_dirs]
        return names if len(set(names)) == len(names) else list(self.seed_dirs)

    @property
    def num_seeds(self) -> int:
        """K."""
        return 1 if self.seed_dirs is None else len(self.seed_dirs)

    def full_init(self) -> None:
        """Reads the list of images and checks every path.

        Raises:
            FileNotFoundError: Images or seeds that do not exist; their number and the first one.
            ValueError: A folder given twice, a blank line in the list, or a first image whose
                seeds hold no class ids.
        """
        if self._fully_initialized:
            return
        self._check_folders()
        # mmengine's own complaint about an empty list is about arrays.
        if not self.dataset.load_data_list():
            raise ValueError(
                f'{type(self.dataset).__name__} holds no image: its ann_file is '
                f'{self.dataset.ann_file!r}, its images are looked for in '
                f'{self.dataset.data_prefix.get("img_path")!r} with the suffix '
                f'{self.dataset.img_suffix!r}.'
            )
        self.dataset.full_init()
        infos = [self.dataset.get_data_info(i) for i in range(len(self.dataset))]
        self._check_images(infos)
        self._check_seeds(infos)
        self._fully_initialized = True
        # A folder of the wrong kind (colours, other classes) is wrong from its first file on: say
        # so now, not in a worker process.
        for path in self.get_data_info(0)['seed_paths']:
            if path is not None:
                read_label_map(path)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """The wrapped dataset's information on an image, with ``seed_paths`` (K paths, None where
        the image lacks the seed) and ``num_classes``."""
        info = self.dataset.get_data_info(idx)
        classes = self._metainfo.get('classes')
        info['num_classes'] = None if classes is None else len(classes)
        if self.seed_dirs is None:
            info['seed_paths'] = [info['seg_map_path']]
            return info
        name = self.seed_name(info)
        missing = self._missing.get(name, ())
        info['seed_paths'] = [
            None if k in missing else osp.join(folder, name)
            for k, folder in enumerate(self.seed_dirs)
        ]
        return info

    @force_full_init
    def __len__(self) -> int:
        return len(self.dataset)

    @force_full_init
    def __getitem__(self, idx: int):
        """The sample after the pipeline.

        Errors are raised: mmengine's own datasets replace a sample whose pipeline returns None by
        a random other one, which would hide a damaged file behind a wrong epoch.
        """
        info = self.get_data_info(idx)
        path = info['img_path']
        _check_jpeg_is_whole(path)
        sample = self.pipeline(info)
        if sample is None:
            raise RuntimeError(f'a transform of the pipeline returned None for {path}.')
        return sample

    def image_id(self, info: dict) -> str:
        """The path of an image inside the image folder, without its ending.

        Args:
            info: What :meth:`get_data_info` gives.
        """
        name = _below(info['img_path'], self.dataset.data_prefix.get('img_path'))
        return name.removesuffix(self.dataset.img_suffix)

    def seed_name(self, info: dict) -> str:
        """The path of an image's seeds inside each folder.

        Args:
            info: What :meth:`get_data_info` gives.
        """
        suffix = self.dataset.seg_map_suffix
        label_path = info.get('seg_map_path')
        if label_path is not None:
            name = _below(label_path, self.dataset.data_prefix.get('seg_map_path'))
        else:
            name = self.image_id(info) + suffix
        if self.seed_suffix is not None:
            name = name.removesuffix(suffix) + self.seed_suffix
        return name

    def _check_folders(self) -> None:
        seen: dict[str, str] = {}
        for folder in self.seed_dirs or ():
            real = osp.realpath(folder)
            if real in seen:
                raise ValueError(
                    f'seed folder {folder} is given twice'
                    + (f' (as {seen[real]} too)' if seen[real] != folder else '')
                    + ': a seed that counts twice outvotes the others. Remove one.'
                )
            seen[real] = folder
            if not osp.isdir(folder):
                raise FileNotFoundError(
                    f'seed folder {folder} does not exist. seed_dirs are taken relative to '
                    'seed_root, and that relative to the working directory.'
                )

    def _check_images(self, infos: list[dict]) -> None:
        folder = self.dataset.data_prefix.get('img_path') or ''
        if not osp.isdir(folder):
            raise FileNotFoundError(f'image folder {folder} does not exist (data_prefix.img_path).')
        files = set(_files_below(folder))
        names = [_below(info['img_path'], folder) for info in infos]
        blank = [i for i, name in enumerate(names) if name == self.dataset.img_suffix]
        if blank:
            raise ValueError(
                f'line {blank[0] + 1} of {self.dataset.ann_file} is blank, where an image id is '
                f'expected ({len(blank)} such lines). Remove it.'
            )
        unknown = [name for name in names if name not in files]
        if unknown:
            raise FileNotFoundError(
                f'{len(unknown)} of {len(names)} images do not exist, the first: '
                f'{osp.join(folder, unknown[0])}. Does {self.dataset.ann_file or "the list"} hold '
                f'ids without suffix (img_suffix is {self.dataset.img_suffix!r})?'
            )

    def _check_seeds(self, infos: list[dict]) -> None:
        if self.seed_dirs is None:
            if 'seg_map_path' not in infos[0]:
                raise ValueError(
                    "seed_dirs=None takes the dataset's own label maps for its only seed, but "
                    f'{type(self.dataset).__name__} has none: its data_prefix names no '
                    f'seg_map_path (found {self.dataset.data_prefix}).'
                )
            missing = [i['seg_map_path'] for i in infos if not osp.isfile(i['seg_map_path'])]
            if missing:
                raise FileNotFoundError(
                    f'{len(missing)} of {len(infos)} label maps are missing, the first: '
                    f'{missing[0]}.'
                )
            return
        names = [self.seed_name(info) for info in infos]
        lacking: dict[str, set[int]] = {}
        counts = []
        for k, folder in enumerate(self.seed_dirs):
            files = set(_files_below(folder))
            absent = [name for name in names if name not in files]
            if len(absent) == len(names):
                found = next(iter(sorted(files)), None)
                raise FileNotFoundError(
                    f'seed folder {folder} holds none of the {len(names)} images: expected '
                    f'{absent[0]}, '
                    + (f'found {found}.' if found else 'but the folder is empty.')
                    + ' Seeds are named like the label maps of the dataset (seed_suffix changes '
                    'the end of the names).'
                )
            for name in absent:
                lacking.setdefault(name, set()).add(k)
            if absent:
                counts.append((len(absent), osp.join(folder, absent[0])))
        if counts and not self.allow_missing:
            total = sum(number for number, _ in counts)
            raise FileNotFoundError(
                f'{total} of {len(names) * self.num_seeds} seed maps are missing, in {len(counts)} '
                f'of {self.num_seeds} folders; the first: {counts[0][1]}. Finish them, or set '
                'allow_missing=True to train on the seeds that each image has.'
            )
        bare = [name for name, without in lacking.items() if len(without) == self.num_seeds]
        if bare:
            raise FileNotFoundError(
                f'{len(bare)} of {len(names)} images have no seed at all, the first: {bare[0]}. '
                'Remove them from the list of images.'
            )
        if lacking and self._mixed:
            raise ValueError(
                f'{len(lacking)} images lack some of their seeds, and a MultiImageMixDataset would '
                'join them with images that have others: whose seed counts where is lost. Use it '
                'with complete folders, or leave out the mixing transform.'
            )
        self._missing = {name: frozenset(without) for name, without in lacking.items()}

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({type(self.dataset).__name__}, {self.num_seeds} seeds: '
            f'{", ".join(self.seed_names)})'
        )


def seed_datasets(dataset) -> Iterator:
    """The MultiSeedDatasets inside ConcatDataset, RepeatDataset and their like, in order."""
    if hasattr(dataset, 'seed_names'):
        yield dataset
        return
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in inner:
        if part is not None:
            yield from seed_datasets(part)


def _class_of(config: dict) -> type:
    kind = config['type']
    return DATASETS.get(kind) if isinstance(kind, str) else kind


def _wrap_inner_datasets(config: dict, options: dict) -> dict:
    """A wrapper's config with a MultiSeedDataset around each dataset inside."""
    config = dict(config)
    # In MultiImageMixDataset an outer pipeline mixes the samples of several images and packs.
    mixes = config.get('pipeline') is not None
    mixed = mixes or options.get('mixed', False)
    if mixes:
        config['pipeline'] = [_multi_seed_pack(step) for step in config['pipeline']]

    def wrap(inner):
        if _class_of(inner) is MultiSeedDataset:
            return {'mixed': mixed, **inner}
        return {'type': MultiSeedDataset, 'dataset': inner, **options, 'mixed': mixed}

    if 'datasets' in config:
        config['datasets'] = [wrap(inner) for inner in config['datasets']]
    else:
        config['dataset'] = wrap(config['dataset'])
    return config


def _check_mixable(wrapper) -> None:
    """Refuses to join images with different numbers of seeds into one."""
    numbers = {dataset.num_seeds for dataset in seed_datasets(wrapper)}
    if len(numbers) > 1:
        raise ValueError(
            'a MultiImageMixDataset joins several images into one, which needs the same number of '
            f'seeds of each; its datasets have {sorted(numbers)}. Mix them in a ConcatDataset '
            'without it.'
        )


def _multi_seed_pack(step: dict) -> dict:
    kind = step['type']
    is_pack = kind is PackSegInputs or kind in ('PackSegInputs', 'mmseg.PackSegInputs')
    return {**step, 'type': PackMultiSeedInputs} if is_pack else step


def _take_seeds(pipeline: Compose, mixed: bool, reduce_zero_label: bool) -> None:
    """Makes a pipeline carry K seeds, or says which half of it does not."""
    steps = list(_walk(pipeline))
    for step in steps:
        # The stock transform asserts the same, but at the first image.
        reduces = getattr(step, 'reduce_zero_label', None)
        if isinstance(step, LoadAnnotations) and reduces not in (None, reduce_zero_label):
            raise ValueError(
                f'the pipeline has LoadAnnotations(reduce_zero_label={reduces}) but the dataset '
                f'reduce_zero_label={reduce_zero_label}. Set it in the dataset, and leave it out '
                'of the pipeline.'
            )
    own_load = any(isinstance(step, LoadMultiSeedAnnotations) for step in steps)
    stock_load = any(isinstance(step, LoadAnnotations) for step in steps)
    own_pack = any(isinstance(step, PackMultiSeedInputs) for step in steps)
    stock_pack = any(type(step) is PackSegInputs for step in steps)
    if own_load and stock_load:
        raise ValueError(
            'the pipeline holds LoadAnnotations beside LoadMultiSeedAnnotations, which would '
            "overwrite the seeds' map. Remove LoadAnnotations."
        )
    if own_load and stock_pack:
        raise ValueError(
            'the pipeline loads K seeds but ends with PackSegInputs, which packs one label map and '
            'drops the seeds. End it with PackMultiSeedInputs.'
        )
    if own_pack and stock_load:
        raise ValueError(
            'the pipeline ends with PackMultiSeedInputs but loads one label map with '
            'LoadAnnotations. Put LoadMultiSeedAnnotations there.'
        )
    if not (own_load or stock_load):
        raise ValueError(
            'the pipeline loads no label maps: it needs LoadMultiSeedAnnotations after '
            f'LoadImageFromFile. Found: {[type(step).__name__ for step in steps]}'
        )
    if not (own_pack or stock_pack or mixed):
        raise ValueError(
            'the pipeline does not end with PackMultiSeedInputs. Found: '
            f'{[type(step).__name__ for step in steps]}'
        )
    layout = 'maps' if mixed or any(map(_needs_maps, steps)) else 'index'

    def convert(step: BaseTransform) -> BaseTransform:
        if isinstance(step, LoadAnnotations):
            return LoadMultiSeedAnnotations(layout=layout)
        if type(step) is PackSegInputs:
            return PackMultiSeedInputs(meta_keys=step.meta_keys)
        if type(step) is RandomRotFlip:
            return RotateFlipLabels(step.rotate_prob, step.flip_prob, step.degree)
        if getattr(step, 'swap_seg_labels', None):
            return FlipSwapLabels(step)
        if isinstance(step, GenerateEdge) or (
            isinstance(step, RandomCrop) and step.cat_max_ratio < 1
        ):
            return ConsensusView(step)
        return step

    _rewrite(pipeline, convert)


def _needs_maps(step: BaseTransform) -> bool:
    """Whether a transform may read label values, or cannot move an int32 map."""
    known = type(step).__module__.startswith(_KNOWN_LIBRARIES)
    inner = getattr(step, 'resize', None)  # RandomResize and its like hold a Resize
    pillow = 'pillow' in (getattr(step, 'backend', None), getattr(inner, 'backend', None))
    return not known or pillow or type(step).__name__.startswith('BioMedical')


def _inner_lists(step) -> Iterator[list]:
    """The lists of transforms inside Compose, RandomApply, RandomChoice, ..."""
    inner = getattr(step, 'transforms', None)
    if isinstance(inner, Compose):
        yield from _inner_lists(inner)
    elif isinstance(inner, list):
        yield inner


def _walk(step) -> Iterator[BaseTransform]:
    for transforms in _inner_lists(step):
        for inner in transforms:
            if not isinstance(inner, Compose):
                yield inner
            yield from _walk(inner)


def _rewrite(step, convert) -> None:
    for transforms in _inner_lists(step):
        for i, inner in enumerate(transforms):
            _rewrite(inner, convert)
            transforms[i] = convert(inner)


def _files_below(folder: str) -> Iterator[str]:
    """The paths of all files below a folder, relative to it: one scan per directory."""
    for parent, _, files in os.walk(folder, followlinks=True):
        inside = osp.relpath(parent, folder)
        for name in files:
            yield name if inside == '.' else osp.join(inside, name)


def _below(path: str, prefix: str | None) -> str:
    return path[len(prefix) :].lstrip('/') if prefix and path.startswith(prefix) else path


def _check_jpeg_is_whole(path: str) -> None:
    """OpenCV fills what is missing of a truncated JPEG with grey and says nothing."""
    if not path.lower().endswith(('.jpg', '.jpeg')):
        return
    with open(path, 'rb') as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2**16))
        if b'\xff\xd9' in file.read():  # the end marker, which compressed data cannot hold
            return
    try:
        with Image.open(path) as image:
            image.load()
    except OSError as error:
        raise ValueError(
            f'image {path} is truncated ({error}; {size} bytes). Fetch it again.'
        ) from error
