"""Polygons and masks of annotation tools, in JSON."""

from __future__ import annotations

import contextlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmws.files.file_kind import known_fault
from mmws.files.id_list import check_unique
from mmws.files.label_map import UNKNOWN
from mmws.files.storage import read_bytes


class Region(NamedTuple):
    """A part of an image that has a class, with a score in [0, 1].

    Its shape are polygons, each (N, 2) as x and y in pixels, where a pixel is from i to i + 1; or
    COCO's run lengths, ``{'size': (H, W), 'counts': ...}``.
    """

    name: str
    shape: list[np.ndarray] | dict
    score: float = 1.0


class Annotation(NamedTuple):
    """The regions of one image, in the order in which they are painted.

    Attributes:
        form: ``'COCO'``, ``'LabelMe'``, ``'Cityscapes'`` or ``'VIA'``.
        found: What the file holds, in words.
        size: (H, W) of the image, or None where the file does not tell.
    """

    form: str
    found: str
    size: tuple[int, int] | None
    regions: list[Region]


def read_annotation(path: str | os.PathLike) -> Annotation:
    """Read the JSON file of one image, as LabelMe and Cityscapes write it.

    A ValueError names what is damaged or of another form.
    """
    content = read_json(path)
    with _named(path):
        if isinstance(content, dict) and isinstance(content.get('shapes'), list):
            form, size = 'LabelMe', (content.get('imageHeight'), content.get('imageWidth'))
            regions = [Region(s['label'], [_labelme_polygon(s)]) for s in content['shapes']]
        elif isinstance(content, dict) and isinstance(content.get('objects'), list):
            form, size = 'Cityscapes', (content.get('imgHeight'), content.get('imgWidth'))
            regions = [
                Region(thing['label'], [np.array(thing['polygon'], float)])
                for thing in content['objects']
                if not thing.get('deleted')
            ]
        else:
            raise ValueError(
                'this is no annotation of one image: neither "shapes" (LabelMe) nor "objects" '
                '(Cityscapes) in it. COCO and VIA files, of many images, are named themselves, '
                'not their folder.'
            )
    return Annotation(form, f'{len(regions)} polygons', size if all(size) else None, regions)


def read_annotations(path: str | os.PathLike) -> dict[str, Annotation]:
    """Read the JSON file of many images, as COCO and the VGG Image Annotator (VIA) have it.

    COCO's regions are ordered by area, so that a small one is not hidden by a large one. The ids of
    the images are their files' names without suffix, with folders. Errors as in
    :func:`read_annotation`.
    """
    content, found = read_json(path), None
    with _named(path):
        if isinstance(content, dict) and {'images', 'annotations', 'categories'} <= content.keys():
            found = list(_coco(content))
        elif isinstance(content, dict):
            entries = list(content.get('_via_img_metadata', content).values())
            if entries and all(isinstance(e, dict) and 'regions' in e for e in entries):
                found = list(map(_via, entries))
    if found is None:
        raise ValueError(
            f'{path} is neither COCO ("images", "annotations" and "categories") nor VIA ("regions" '
            'of each image). Of LabelMe and Cityscapes, with one file an image, name the folder.'
        )
    check_unique([image_id for image_id, _ in found], path)
    return dict(found)


def paint(
    annotation: Annotation,
    size: tuple[int, int],
    label: Callable[[str], int],
    *,
    rest: int = 0,
    ignore_below: float = 0.0,
) -> np.ndarray:
    """Paint the regions, each over those before it, as (H, W) uint8.

    Args:
        annotation: The regions.
        size: (H, W) of the image.
        label: Gives the label of a class, or raises a ValueError.
        rest: Label of the pixels in no region.
        ignore_below: Regions with a smaller score become 255.
    """
    if annotation.size not in (None, tuple(size)):
        h, w = annotation.size
        raise ValueError(
            f'the annotation is of {w}x{h} pixels, the image {size[1]}x{size[0]} (width x height). '
            'Was the image scaled, or turned by its EXIF data?'
        )
    seed = np.full(size, rest, np.uint8)
    for region in annotation.regions:
        value = UNKNOWN if region.score < ignore_below else label(region.name)
        if isinstance(region.shape, dict):
            seed[_decode_runs(region.shape, size)] = value
            continue
        for polygon in region.shape:
            fill_polygon(seed, polygon, value)
    return seed


def fill_polygon(seed: np.ndarray, polygon: np.ndarray, value: int) -> None:
    """Label the pixels whose centres a polygon holds, by the even-odd rule.

    The map (H, W) is changed in place. The polygon is (N, 2) as x and y, a pixel from i to i + 1.
    """
    height, width = seed.shape
    (x, y), (next_x, next_y) = polygon.T, np.roll(polygon, -1, 0).T
    top, bottom = (int(np.clip(np.floor(v), 0, height)) for v in (y.min(), y.max() + 1))
    rows = np.arange(top, bottom) + 0.5
    edge, row = np.nonzero((y[:, None] <= rows) != (next_y[:, None] <= rows))
    share = (rows[row] - y[edge]) / (next_y - y)[edge]
    column = np.ceil(x[edge] + share * (next_x - x)[edge] - 0.5).clip(0, width).astype(int)
    # An edge turns the pixels to the right of it inside out.
    turns = np.zeros((len(rows), width + 1), np.uint8)
    np.add.at(turns, (row, column), 1)
    seed[top:bottom][turns.cumsum(1, dtype=np.uint8)[:, :width] % 2 == 1] = value


def read_json(path: str | os.PathLike) -> dict | list:
    """Read a JSON file; a ValueError where it is damaged or something else."""
    content = read_bytes(path)
    fault = known_fault(content)
    try:
        if fault is None:
            return json.loads(content.decode('utf-8-sig'))
    except ValueError as error:
        fault = f'is no JSON file, or is damaged ({error})'
    raise ValueError(f'the file {path} {fault}.')


@contextlib.contextmanager
def _named(path: str | os.PathLike) -> Iterator[None]:
    """Name the file in what goes wrong with its content."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(
            f'{path} is damaged or unlike what annotation tools write: {type(error).__name__} '
            f'{error}.'
        ) from error
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from error


def _coco(content: Mapping) -> Iterator[tuple[str, Annotation]]:
    names = {category['id']: category['name'] for category in content['categories']}
    things = defaultdict(list)
    for thing in sorted(content['annotations'], key=lambda thing: -thing.get('area', 0)):
        shape = thing.get('segmentation')
        if not shape:
            raise ValueError(f'the annotation {thing.get("id")} is a box without a segmentation.')
        if not isinstance(shape, dict):
            shape = [np.array(points, float).reshape(-1, 2) for points in shape]
        region = Region(names[thing['category_id']], shape, thing.get('score', 1.0))
        things[thing['image_id']].append(region)
    for image in content['images']:
        size = image.get('height'), image.get('width')
        regions = things[image['id']]
        found = f'{len(regions)} regions'
        yield (
            _stem(image['file_name']),
            Annotation('COCO', found, size if all(size) else None, regions),
        )


def _via(entry: Mapping) -> tuple[str, Annotation]:
    regions = entry['regions']
    regions = list(regions.values()) if isinstance(regions, dict) else regions
    found = []
    for region in regions:
        shape, names = region['shape_attributes'], region['region_attributes']
        if len(names) != 1 or not isinstance((name := next(iter(names.values()))), str):
            raise ValueError(
                f'a region of {entry["filename"]} has the attributes {dict(names)}; expected one, '
                'the name of its class.'
            )
        if shape['name'] == 'rect':
            polygon = _box(shape['x'], shape['y'], shape['width'], shape['height'])
        elif shape['name'] == 'polygon':
            polygon = np.array([shape['all_points_x'], shape['all_points_y']], float).T
        else:
            raise ValueError(_no_area(entry['filename'], shape['name']))
        found.append(Region(name, [polygon]))
    return _stem(entry['filename']), Annotation('VIA', f'{len(found)} polygons', None, found)


def _labelme_polygon(shape: Mapping) -> np.ndarray:
    points = np.array(shape['points'], float)
    kind = shape.get('shape_type') or 'polygon'
    if kind == 'polygon':
        return points
    if kind == 'rectangle':
        low, high = points.min(0), points.max(0)
        return _box(*low, *(high - low))
    raise ValueError(_no_area('it', kind))


def _box(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)


def _no_area(name: object, kind: str) -> str:
    return f'{name} has a shape of the kind {kind!r}; polygons and rectangles are read. Convert it.'


def _decode_runs(runs: Mapping, size: Sequence[int]) -> np.ndarray:
    """Decode COCO's run lengths, column by column, beginning outside."""
    if tuple(runs['size']) != tuple(size):
        raise ValueError(f'a region has the size {runs["size"]}, the image {list(size)}.')
    counts = runs['counts']
    if isinstance(counts, str):
        try:
            from pycocotools import mask
        except ImportError as error:
            raise ValueError(
                "its regions are in COCO's compressed form, which needs: pip install pycocotools"
            ) from error
        return mask.decode(dict(runs, counts=counts.encode())).astype(bool)
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(size[1], size[0]).T


def _stem(file_name: str) -> str:
    return os.path.splitext(file_name.replace('\\', '/').lstrip('/'))[0]
