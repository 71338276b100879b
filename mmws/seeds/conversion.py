"""Turn what others share into folders of seeds."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SeedFolder
from mmws.files.id_list import listed_ids
from mmws.files.image_file import BadInputError, image_size, read_saliency
from mmws.files.label_map import UNKNOWN, encode_label_map
from mmws.files.map_run import MapReport, MapRun
from mmws.files.seed_source import SeedSource, packed_or_not
from mmws.files.storage import is_folder

from .annotation_file import Annotation, paint, read_annotation, read_annotations
from .class_map_file import ClassMaps, label_pixels, read_class_maps
from .label_names import LabelNames
from .mask_file import Mask, read_mask
from .seed import saliency_to_float

_SUFFIXES = ('.png', '.npy', '.npz', '.json')
# An image without any class says nothing about the form of the files: look at some more.
_LOOK_AT = 20

# Form of the files -> which options mean something for them.
USES = {
    'ids': ('source_classes', 'reduce_zero_label'),
    'colours': ('palette', 'source_classes', 'reduce_zero_label'),
    'certainty': ('ignore_below', 'source_classes', 'reduce_zero_label'),
    'classes': ('background', 'ignore_below', 'source_classes'),
    'refined': ('ignore_below', 'source_classes'),
    'scores': ('ignore_below', 'source_classes', 'reduce_zero_label'),
    'COCO': ('ignore_below',),
    'LabelMe': (),
    'Cityscapes': (),
    'VIA': (),
}
_JSON = ('COCO', 'LabelMe', 'Cityscapes', 'VIA')


@dataclass(frozen=True)
class ConversionOptions:
    """What is done with what the files hold.

    Attributes:
        names: From the files' labels to those that are wanted.
        palette: As in :func:`mmws.seeds.mask_file.read_mask`.
        background, alpha: As in :func:`mmws.seeds.class_map_file.label_pixels`, where no
            saliency maps tell it.
        ignore_below: Pixels of less confidence become 255: that of the file, or the label's share
            of all scores.
        form: Of all files, a key of ``USES``.
    """

    names: LabelNames = field(default_factory=LabelNames)
    palette: Sequence[Sequence[int]] | None = None
    background: float = 0.25
    alpha: float | None = None
    ignore_below: float = 0.0
    form: str = ''


class Conversion:
    """The conversion of a source into a folder of seeds; may be stopped and run again.

    Args:
        source: Folder, zip file, or JSON file; ``found`` says in words what it holds.
        folder: Where the seeds go.
        options: What is done; the form is found out here.
        asked: What the user asked for, as JSON knows it: with other wishes the folder is refused.
        suffix: As in :func:`find_entries`.
        images: The images by id, if they are known.
        saliency: Folder of saliency maps ``<image id>.png``.
        ids: List of the images to convert; all if there is none.
        workers, limit: As in :class:`MapRun`.
    """

    def __init__(
        self,
        source: str | os.PathLike,
        folder: str | os.PathLike,
        options: ConversionOptions,
        *,
        asked: Mapping[str, object],
        suffix: str | None = None,
        images: Mapping[str, str] | None = None,
        saliency: str | None = None,
        ids: str | os.PathLike | None = None,
        workers: int = 0,
        limit: int | None = None,
    ):
        entries = find_entries(source, suffix)
        form, first = recognise(entries, options.palette)
        self.found = f'{source}: {len(entries)} images, {form}, the first {first}'
        for option in sorted(set().union(*USES.values())):
            if asked.get(option) and option not in USES[form]:
                flag = option.replace('_', '-')
                raise ValueError(f'--{flag} means nothing for {source}: {form}.')
        if ids is not None:
            entries = {image_id: entries[image_id] for image_id in listed_ids(ids, entries, source)}
        if images is not None and form in _JSON:  # tools put their own folders before the names
            bare = {i if i in images else i.rpartition('/')[2]: e for i, e in entries.items()}
            entries = bare if len(bare) == len(entries) else entries
        if images is not None and (missing := [i for i in entries if i not in images]):
            raise ValueError(
                f'{len(missing)} of {len(entries)} images of {source} are not among the images, '
                f'the first: {missing[0]}. Endings are cut off by --suffix and --image-suffix.'
            )
        self._check_names(entries, form, options.names)
        self._entries, self._images, self._saliency = entries, images, saliency
        self._options = replace(options, form=form)
        recipe = {**asked, 'kind': 'conversion', 'form': form, 'source': os.fspath(source)}
        self._run = MapRun(
            {'seeds': SeedFolder(folder, recipe)}, list(entries), workers=workers, limit=limit
        )

    @staticmethod
    def _check_names(entries: Mapping[str, str | Annotation], form: str, names: LabelNames) -> None:
        used = {
            region.name
            for entry in entries.values()
            if isinstance(entry, Annotation)
            for region in entry.regions
        }
        if form in _JSON and names.targets is None:
            raise ValueError(
                f'{form} names its classes: give their order, such as --classes background,'
                f'{",".join(sorted(used) or ["cat", "dog"])}'
            )
        for name in sorted(used):
            names.label(name)

    def run(self, *, overwrite: bool = False) -> MapReport:
        """Make the seeds that are missing, or with ``overwrite`` those asked for otherwise."""
        self._run.prepare(overwrite=overwrite)
        return self._run.make(self._job, functools.partial(convert, options=self._options))

    def _job(self, image_id: str, files: Mapping[str, Path]) -> tuple:
        image = None if self._images is None else self._images[image_id]
        saliency = None if self._saliency is None else f'{self._saliency}/{image_id}.png'
        return self._entries[image_id], files['seeds'], image, saliency


def find_entries(path: str | os.PathLike, suffix: str | None = None) -> dict[str, str | Annotation]:
    """Find what a folder or zip file, or a JSON file of many images, holds of each image.

    By image id, sorted, it is the file or its content. ``suffix`` is what the names of a folder's
    files end with; by default whichever of .png, .npy, .npz and .json is there.
    """
    path = packed_or_not(os.fspath(path))
    if not is_folder(path):
        if not os.path.isfile(path):
            raise FileNotFoundError(f'there is no file or folder {path}.')
        return dict(sorted(read_annotations(path).items()))
    found = {}
    for ending in _SUFFIXES if suffix is None else (suffix,):
        source = SeedSource(path, ending, path)
        ids = sorted(source.image_ids() - {'seed'} if ending == '.json' else source.image_ids())
        if ids:
            found[ending] = {image_id: source.path(image_id) for image_id in ids}
    if len(found) != 1:
        what = ' and '.join(found) or f'no {suffix or ", ".join(_SUFFIXES)}'
        raise ValueError(f'{path} holds {what} files: name one kind by --suffix.')
    return found.popitem()[1]


def read_entry(
    entry: str | Annotation, palette: Sequence[Sequence[int]] | None = None
) -> Mask | ClassMaps | Annotation:
    """Read what there is of one image."""
    if isinstance(entry, Annotation):
        return entry
    if entry.endswith(('.npy', '.npz')):
        return read_class_maps(entry)
    return read_annotation(entry) if entry.endswith('.json') else read_mask(entry, palette)


def recognise(
    entries: Mapping[str, str | Annotation], palette: Sequence[Sequence[int]] | None = None
) -> tuple[str, str]:
    """Tell the form of the files, a key of ``USES``, and in words what they hold.

    The first one tells that is readable and has a class.
    """
    problem = None
    for image_id in list(entries)[:_LOOK_AT]:
        try:
            content = read_entry(entries[image_id], palette)
        except (OSError, ValueError) as error:
            problem = problem or error
            continue
        if content.form:
            return content.form, f'{image_id}: {content.found}'
    if problem is not None:
        raise problem
    return 'classes', f'{image_id}: no class'


def convert(
    entry: str | Annotation,
    file: Path,
    image: str | None,
    saliency: str | None,
    *,
    options: ConversionOptions,
) -> bool:
    """Write the seed of one image and tell whether it is unknown everywhere; runs in workers.

    Args:
        entry: The file that is converted, or its content.
        file: The seed to write.
        image: Tells the size, if it is known.
        saliency: 8-bit grey map of that size, whose complement is the score of the background.
        options: What is done.
    """
    try:
        content = read_entry(entry, options.palette)
        if content.form not in ('', options.form):
            raise ValueError(f'this is of the form {content.form!r}, the first {options.form!r}.')
        size = None if image is None else image_size(image)
        seed = _seed(content, size, saliency, options)
    except BadInputError:
        raise
    except (OSError, ValueError) as error:
        name = '' if isinstance(entry, Annotation) else f'{entry}: '
        raise BadInputError(f'{name}{error}') from error
    write_atomically(file, encode_label_map(seed))
    return bool((seed == UNKNOWN).all())


def _seed(
    content: Mask | ClassMaps | Annotation,
    size: tuple[int, int] | None,
    saliency: str | None,
    options: ConversionOptions,
) -> np.ndarray:
    names, ignore_below = options.names, options.ignore_below
    if isinstance(content, Annotation):
        size = size or content.size
        if size is None:
            raise ValueError('the file does not tell the size of the image: name the images.')
        return paint(content, size, names.label, rest=names.rest, ignore_below=ignore_below)
    if isinstance(content, ClassMaps):
        if content.form == 'scores' and names.count not in (None, len(content.labels)):
            raise ValueError(
                f'there are {len(content.labels)} scores a pixel for {names.count} classes. Is '
                'background missing among the scores, or among the classes?'
            )
        background = options.background
        if saliency is not None:
            background = 1 - saliency_to_float(read_saliency(saliency, size))
            size = background.shape
        return names.apply(
            label_pixels(
                content,
                size,
                background=background,
                alpha=options.alpha,
                ignore_below=ignore_below,
            )
        )
    labels = content.labels
    if size not in (None, labels.shape):
        (h, w), (height, width) = labels.shape, size
        raise ValueError(f'the mask is {w}x{h}, the image {width}x{height} (width x height).')
    labels = names.apply(labels)
    if content.certainty is not None:
        labels[content.certainty < ignore_below] = UNKNOWN
    return labels
