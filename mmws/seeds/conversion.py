"""Turn what others share into folders of seeds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmws.files.atomic_write import write_atomically
from mmws.files.image_file import BadInputError, image_size
from mmws.files.label_map import UNKNOWN, encode_label_map, read_label_map
from mmws.files.seed_source import SeedSource
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


@dataclass(frozen=True)
class ConversionOptions:
    """What is done with what the files hold.

    Attributes:
        form: Of all files, a key of ``USES``.
        names: From their labels to those that are wanted.
        palette: As in :func:`mmws.seeds.mask_file.read_mask`.
        background: Score of the background, where the files hold classes only; with ``alpha`` or
            saliency maps these tell it.
        alpha: As in :func:`mmws.seeds.class_map_file.label_pixels`.
        ignore_below: Pixels of less confidence become 255: that of the file, or the label's share
            of all scores.
    """

    form: str
    names: LabelNames = field(default_factory=LabelNames)
    palette: Sequence[Sequence[int]] | None = None
    background: float = 0.25
    alpha: float | None = None
    ignore_below: float = 0.0


class ConversionJob(NamedTuple):
    """One image.

    Attributes:
        entry: The file that is converted, or its content.
        file: The seed to write.
        image: Tells the size, if it is known.
        saliency: 8-bit grey map of that size, whose complement is the score of the background.
    """

    entry: str | Annotation
    file: Path
    image: str | None = None
    saliency: str | None = None


def find_entries(path: str | os.PathLike, suffix: str | None = None) -> dict[str, str | Annotation]:
    """Find what a folder, or a JSON file of many images, holds of each image.

    Args:
        path: The folder, which may be a zip file, or the JSON file.
        suffix: What the names of the folder's files end with; by default whichever of .png, .npy,
            .npz and .json is there.

    Returns:
        By image id, sorted: the file, or its content.

    Raises:
        FileNotFoundError: There is no such folder or file.
        ValueError: There is nothing in it, or files of several kinds.
    """
    path = os.fspath(path)
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
    """Read what there is of one image.

    Raises:
        FileNotFoundError, ValueError: It cannot be read.
    """
    if isinstance(entry, Annotation):
        return entry
    if entry.endswith(('.npy', '.npz')):
        return read_class_maps(entry)
    return read_annotation(entry) if entry.endswith('.json') else read_mask(entry, palette)


def recognise(
    entries: Mapping[str, str | Annotation], palette: Sequence[Sequence[int]] | None = None
) -> tuple[str, str]:
    """Tell what the files are, by the first one that is readable and has a class.

    Returns:
        Its form, a key of ``USES``, and what it holds, in words.

    Raises:
        FileNotFoundError, ValueError: It cannot be read, or none of the first has a class.
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


def convert(job: ConversionJob, options: ConversionOptions) -> bool:
    """Write the seed of one image; runs in worker processes.

    Returns:
        Whether all its pixels are unknown.

    Raises:
        BadInputError: The files of this image cannot be used.
        OSError: The seed cannot be written.
    """
    try:
        content = read_entry(job.entry, options.palette)
        if content.form not in ('', options.form):
            raise ValueError(f'this is of the form {content.form!r}, the first {options.form!r}.')
        size = None if job.image is None else image_size(job.image)
        seed = _seed(content, size, job.saliency, options)
    except BadInputError:
        raise
    except (OSError, ValueError) as error:
        name = '' if isinstance(job.entry, Annotation) else f'{job.entry}: '
        raise BadInputError(f'{name}{error}') from error
    write_atomically(job.file, encode_label_map(seed))
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
            background = 1 - saliency_to_float(read_label_map(saliency))
            size = size or background.shape
            if background.shape != size:
                raise ValueError(f'the saliency map {saliency} is {background.shape}, not {size}.')
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
