"""VOC's images of some of its classes, as a data root of their own."""

from __future__ import annotations

import os
import random
from collections.abc import Collection, Mapping
from pathlib import Path

from mmws.files.atomic_write import write_atomically

from .datasets.voc_image_level_dataset import VOCImageLevelDataset

_FOLDERS = ('JPEGImages', 'SegmentationClassAug', 'Annotations')


def balanced_images(
    labels: Mapping[str, Collection[str]], classes: Collection[str], most: int
) -> list[str]:
    """Pick images at random until each class has ``most``, or all it has, the rarest class first.

    The labels are names of classes by image id. Images of several classes may exceed ``most``, and
    classes that are not to be balanced come along.
    """
    order = list(labels)
    random.Random(0).shuffle(order)
    having = {name: [i for i in order if name in labels[i]] for name in classes}
    chosen: set[str] = set()
    for images in sorted(having.values(), key=len):
        left = most - len(chosen.intersection(images))
        chosen.update([i for i in images if i not in chosen][: max(left, 0)])
    return [image_id for image_id in labels if image_id in chosen]


def voc_labels(
    voc_root: str | os.PathLike, list_name: str, *, difficult: str
) -> dict[str, list[str]]:
    """Read the class names of VOC's images by id, of a list in ``ImageSets/Segmentation``.

    ``difficult`` is as in :class:`VOCImageLevelDataset`.
    """
    dataset = VOCImageLevelDataset(
        f'ImageSets/Segmentation/{list_name}.txt',
        str(voc_root),
        difficult=difficult,
        pipeline=[],
    )
    samples = (dataset.get_data_info(index) for index in range(len(dataset)))
    return {s['image_id']: [dataset.CLASSES[c] for c in s['gt_label']] for s in samples}


def write_subset(
    voc_root: str | os.PathLike,
    out: str | os.PathLike,
    classes: Collection[str],
    *,
    need: Collection[str] | None = None,
    most: int | None = None,
) -> dict[str, int]:
    """Write the lists of a subset of VOC, and link to its images, masks and XML files.

    Args:
        voc_root: ``VOC2012``.
        out: The new data root.
        classes: All that may be in an image, difficult objects included; names of VOC.
        need: At least one of these must be among its image-level labels; by default any.
        most: Also write ``train_balanced``, with so many images of each needed class.

    Returns:
        Number of images of each list: train (from train_aug) and val.

    Raises:
        FileExistsError: Something else stands where a link shall be.
        ValueError: Unknown classes, or no image fits.
    """
    need = classes if need is None else need
    out, voc_root = Path(out), Path(voc_root).resolve()
    voc = VOCImageLevelDataset.METAINFO['classes']
    unknown = [name for name in (*classes, *need) if name not in voc]
    if unknown:
        raise ValueError(f'VOC has no class {unknown[0]!r}; it has {", ".join(voc)}.')
    strange = sorted(set(need) - set(classes))
    if strange:
        raise ValueError(f'{strange[0]} must be in an image, but is not among the classes.')
    lists = {}
    for name, source in (('train', 'train_aug'), ('val', 'val')):
        labels, clear = (voc_labels(voc_root, source, difficult=d) for d in ('keep', 'if_alone'))
        lists[name] = {
            image_id: names
            for image_id, names in labels.items()
            if set(classes).issuperset(names) and set(need).intersection(clear[image_id])
        }
        if not lists[name]:
            raise ValueError(f'no image of {source} shows nothing but {", ".join(classes)}.')
    for folder in _FOLDERS:
        link(voc_root / folder, out / folder)
    for name, labels in lists.items():
        lines = [' '.join([image_id, *names]) for image_id, names in labels.items()]
        _write_lines(out / f'ImageSets/{name}_labels.txt', lines)
        _write_lines(out / f'ImageSets/Segmentation/{name}.txt', labels)
    counts = {name: len(labels) for name, labels in lists.items()}
    if most is not None:
        ids = balanced_images(lists['train'], need, most)
        _write_lines(out / 'ImageSets/Segmentation/train_balanced.txt', ids)
        counts['train_balanced'] = len(ids)
    return counts


def link(source: Path, target: Path) -> None:
    """Link to a folder, if it is there; what stands at the link's place already is an error."""
    if not source.is_dir() or (target.is_symlink() and target.resolve() == source):
        return
    if target.exists() or target.is_symlink():
        raise FileExistsError(
            f'{target} is there and is no link to {source}. Name another folder for the subset.'
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source, target_is_directory=True)


def _write_lines(path: Path, lines: Collection[str]) -> None:
    write_atomically(path, ''.join(f'{line}\n' for line in lines).encode())
