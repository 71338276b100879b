"""Any mmseg dataset with K label maps per image."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, force_full_init
from mmseg.registry import DATASETS

from mmws.files.image_file import check_is_whole
from mmws.files.label_map import UNKNOWN, read_label_map
from mmws.files.seed_source import seed_sources
from mmws.files.storage import is_local

from .check_paths import load_images, missing_seeds, path_below
from .load_multi_seed_annotations import LoadMultiSeedAnnotations, label_lookup
from .seed_pipeline import backend_of, carry_seeds


@DATASETS.register_module()
class MultiSeedDataset(BaseDataset):
    """Give each image of an mmseg dataset K label maps, its seeds.

    It wraps a dataset config; everything that mmseg reads in it stays as it is. The wrapped
    dataset's own label maps are not read and need not exist; their *names* name the seeds: the seed
    of ``<seg_map_path prefix>/a/b.png`` is ``<seed dir>/a/b.png``. A dataset without such a prefix
    names them by its images. A list of images is read as the commands of mmws read lists.

    In a stock pipeline ``LoadAnnotations`` and ``PackSegInputs`` are replaced by their multi-seed
    counterparts. Where ``dataset`` is itself a wrapper (RepeatDataset, ConcatDataset,
    ClassBalancedDataset, MultiImageMixDataset), the result is that wrapper around a
    MultiSeedDataset. All K x N paths are checked at start, with one scan per folder.

    A folder of seeds may be one zip file, see ``tools/pack_seeds.py``. Images are read and listed
    by the ``backend_args`` of the dataset, or else of ``LoadImageFromFile``; seeds by those of
    ``LoadAnnotations``.

    Args:
        dataset: The config of the dataset to wrap.
        seed_dirs: The K folders, in this order, or one for all seeds; or None: the wrapped
            dataset's own label maps are its only seed, for mixing fully labelled images with
            multi-seed ones (ConcatDataset).
        seed_root: Prepended to the folders that are no absolute paths.
        seed_suffix: What seed file names end with instead of the dataset's ``seg_map_suffix``. A
            list of K tells annotators apart by it: ``['_a.png', '_b.png']`` in one folder, or
            ``['/a.png', '/b.png']`` in a folder an image.
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
            return _wrap_inside(dataset, options)
        return super().__new__(cls)

    def __init__(
        self,
        dataset: dict | BaseDataset,
        *,
        seed_dirs: str | Sequence[str] | None,
        seed_root: str = '',
        seed_suffix: str | Sequence[str] | None = None,
        allow_missing: bool = False,
        lazy_init: bool = False,
        mixed: bool = False,
    ):
        if isinstance(dataset, dict):
            dataset = DATASETS.build({**dataset, 'lazy_init': True})
        self.dataset = dataset
        self.seed_suffix = seed_suffix
        self.allow_missing = allow_missing
        self.pipeline = dataset.pipeline
        carry_seeds(
            self.pipeline.transforms,
            reduce_zero_label=dataset.reduce_zero_label,
            packs=not mixed,
        )
        steps = self.pipeline.transforms
        self._image_backend = dataset.backend_args or backend_of(steps, LoadImageFromFile)
        self._seed_backend = backend_of(steps, LoadMultiSeedAnnotations)
        self._mixed = mixed
        self._metainfo = dataset.metainfo
        classes = self._metainfo.get('classes') or ()
        if len(classes) > UNKNOWN:
            raise ValueError(
                f'{type(dataset).__name__} has {len(classes)} classes. Seeds are label maps of 8 '
                'bits: up to 255 classes, 0..254, and 255 for unknown. Choose a subset of the '
                'classes in metainfo, or train on one label with mmseg itself.'
            )
        if seed_dirs is None:
            folder = dataset.data_prefix.get('seg_map_path')
            if folder is None:
                raise ValueError(
                    "seed_dirs=None takes the dataset's own label maps for its only seed, but "
                    f'{type(dataset).__name__} has none: its data_prefix names no seg_map_path '
                    f'(found {dataset.data_prefix}).'
                )
            (source,) = seed_sources(folder, '', backend_args=self._seed_backend)
            self._sources = [source._replace(name='labels')]
        else:
            # A name without another suffix is the whole name of the dataset's label map.
            self._sources = seed_sources(
                seed_dirs,
                '' if seed_suffix is None else seed_suffix,
                root=seed_root,
                backend_args=self._seed_backend,
            )
        self._missing: dict[str, set[int]] = {}
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def __getattr__(self, name: str):
        # What wrappers, hooks and tools ask of a dataset, the wrapped one knows.
        if name == 'dataset' or name.startswith('__'):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    @property
    def seed_names(self) -> list[str]:
        """What tells the K seeds apart: names of folders, or paths where names repeat."""
        return [source.name for source in self._sources]

    def full_init(self) -> None:
        """Read the list of images and check every path.

        Raises:
            FileNotFoundError: Images or seeds that do not exist; their number and the first one.
            ValueError: There is no image, or the first image's seeds hold no class ids.
        """
        if self._fully_initialized:
            return
        ids = [self._seed_id(info) for info in load_images(self.dataset, self._image_backend)]
        self._missing = missing_seeds(self._sources, ids, allowed=self.allow_missing)
        if self._missing and self._mixed:
            raise ValueError(
                f'{len(self._missing)} images lack some of their seeds, and a MultiImageMixDataset '
                'would join them with images that have others: whose seed counts where is lost. '
                'Use it with complete folders, or leave out the mixing transform.'
            )
        self._fully_initialized = True
        # A folder of the wrong kind (colours, other classes) is wrong from its first file on: say
        # so now, not in a worker process.
        for path in self.get_data_info(0)['seed_paths']:
            if path is not None:
                read_label_map(path, self._seed_backend)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Get the information on an image.

        To the wrapped dataset's it adds ``seed_paths`` (K paths, None where the image lacks the
        seed), ``seed_names``, ``num_classes`` and ``ignore_index``.
        """
        info = self.dataset.get_data_info(idx)
        classes = self._metainfo.get('classes')
        info['num_classes'] = None if classes is None else len(classes)
        info['ignore_index'] = getattr(self.dataset, 'ignore_index', UNKNOWN)
        info['seed_names'] = self.seed_names
        name = self._seed_id(info)
        missing = self._missing.get(name, ())
        info['seed_paths'] = [
            None if k in missing else source.path(name) for k, source in enumerate(self._sources)
        ]
        return info

    @force_full_init
    def get_cat_ids(self, idx: int) -> list[int]:
        """Get the classes of an image: the wrapped dataset's, or else those that any seed names."""
        if type(self.dataset).get_cat_ids is not BaseDataset.get_cat_ids:
            return self.dataset.get_cat_ids(idx)
        info = self.get_data_info(idx)
        found = np.zeros(256, bool)
        for path in info['seed_paths']:
            if path is not None:
                labels = read_label_map(path, self._seed_backend)
                found[label_lookup(info)[np.unique(labels)]] = True
        return np.flatnonzero(found[:UNKNOWN]).tolist()

    @force_full_init
    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep some of the images."""
        self.dataset.get_subset_(indices)

    @force_full_init
    def get_subset(self, indices: int | Sequence[int]) -> MultiSeedDataset:
        """Make a dataset of some of the images."""
        subset = copy.copy(self)
        subset.dataset = self.dataset.get_subset(indices)
        return subset

    @force_full_init
    def __len__(self) -> int:
        return len(self.dataset)

    @force_full_init
    def __getitem__(self, idx: int):
        """Get the sample after the pipeline."""
        info = self.get_data_info(idx)
        path = info['img_path']
        if is_local(path, self._image_backend):
            check_is_whole(path)
        # mmengine's datasets would take a random other sample, behind which a fault is hidden.
        if (sample := self.pipeline(info)) is None:
            raise RuntimeError(f'a transform of the pipeline returned None for {path}.')
        return sample

    def image_id(self, info: dict) -> str:
        """The path of an image (``get_data_info``) in the image folder, without its ending."""
        name = path_below(info['img_path'], self.dataset.data_prefix.get('img_path'))
        return name.removesuffix(self.dataset.img_suffix)

    def seed_name(self, info: dict) -> str:
        """The path of an image's seeds in each folder, or of its label map where they differ."""
        name, suffix = self._seed_id(info), self.seed_suffix
        if suffix is None:
            return name
        return name + (suffix if isinstance(suffix, str) else self.dataset.seg_map_suffix)

    def _seed_id(self, info: dict) -> str:
        """What the names of the seeds begin with: all of it, where no ``seed_suffix`` is given."""
        path = info.get('seg_map_path')
        if path is None:
            name = self.image_id(info) + self.dataset.seg_map_suffix
        else:
            name = path_below(path, self.dataset.data_prefix.get('seg_map_path'))
        if self.seed_suffix is None:
            return name
        return name.removesuffix(self.dataset.seg_map_suffix)


def seed_datasets(dataset) -> Iterator[MultiSeedDataset]:
    """The MultiSeedDatasets inside ConcatDataset, RepeatDataset and their like, in order."""
    if hasattr(dataset, 'seed_names'):
        yield dataset
        return
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    for part in inner:
        if part is not None:
            yield from seed_datasets(part)


def _wrap_inside(config: dict, options: dict):
    """Build a wrapper's config with a MultiSeedDataset around each dataset inside."""
    # A MultiImageMixDataset mixes the samples of several images, and packs, in its own pipeline.
    mixes = config.get('pipeline') is not None
    mixed = mixes or options.get('mixed', False)

    def wrap(inner: dict) -> dict:
        kind = inner['type']
        if (DATASETS.get(kind) if isinstance(kind, str) else kind) is MultiSeedDataset:
            return {'mixed': mixed, **inner}
        return {**options, 'type': MultiSeedDataset, 'dataset': inner, 'mixed': mixed}

    key = 'datasets' if 'datasets' in config else 'dataset'
    inside = config[key]
    inside = wrap(inside) if key == 'dataset' else list(map(wrap, inside))
    wrapper = DATASETS.build({**config, key: inside})
    if mixes:
        carry_seeds(wrapper.pipeline, loads=False)
        numbers = {len(dataset.seed_names) for dataset in seed_datasets(wrapper)}
        if len(numbers) > 1:
            raise ValueError(
                'a MultiImageMixDataset joins several images into one, which needs the same number '
                f'of seeds of each; its datasets have {sorted(numbers)}. Mix them in a '
                'ConcatDataset without it.'
            )
    return wrapper
