"""Shapes: synthetic scenes that are hard in the way CAMs find real images hard.

A class is known by one small distinctive part; its body, most of its area, wears a texture that
other classes wear too. A classifier therefore looks at the part, and its CAM covers a fraction of
the object. Objects differ in size by a factor of five, overlap, and lie in clutter; the saliency
map misses parts and finds things that are no objects. Everything follows from a seed number.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mmws.files.label_map import BACKGROUND, UNKNOWN

SHAPES_CLASSES = ('background', 'stripe', 'dot', 'check', 'ring', 'wave')
# Fewer visible pixels than this are no object.
_SMALLEST = 24
# Bodies of the classes 1, 2, 3, ...: how many share one texture.
_CLASSES_PER_BODY = 3

_PART_COLOURS = (
    ((236, 92, 62), (255, 236, 210)),
    ((40, 110, 220), (235, 240, 255)),
    ((40, 40, 40), (250, 220, 60)),
    ((150, 50, 170), (240, 215, 250)),
    ((15, 150, 120), (225, 250, 235)),
)
_BODY_COLOURS = (
    ((150, 112, 84), (186, 148, 112)),
    ((96, 120, 140), (136, 160, 176)),
    ((140, 130, 80), (176, 168, 112)),
    ((130, 96, 120), (168, 136, 156)),
)


@dataclass
class Scene:
    """One image with all that is known about it."""

    image: np.ndarray  # (H, W, 3) uint8, RGB
    labels: np.ndarray  # (H, W) uint8, 0 background, class ids; 255 where given masks are unknown
    saliency: np.ndarray  # (H, W) uint8, what a saliency model might find
    # Class id and (left, top, right, bottom), inclusive pixels, of each object.
    objects: list[tuple[int, tuple[int, int, int, int]]]


def make_scene(rng: np.random.Generator, size: int = 96) -> Scene:
    """Invent a scene of ``size`` x ``size`` pixels: one to four objects of one to three classes."""
    while True:
        classes = rng.choice(np.arange(1, len(SHAPES_CLASSES)), 3, replace=False)
        labels, instances = np.zeros((2, size, size), np.uint8)
        parts = np.zeros((size, size), bool)
        for instance in range(1, rng.integers(1, 5) + 1):
            body, part = _silhouette(rng, size)
            both = body | part
            labels[both] = rng.choice(classes)
            instances[both] = instance
            parts[both] = False
            parts[part] = True
        visible = np.bincount(instances.ravel(), minlength=2)[1:]
        if (visible[visible > 0] >= _SMALLEST).all() and visible.any():
            return _paint(rng, labels, instances, parts)


def render_masks(rng: np.random.Generator, labels: np.ndarray) -> Scene:
    """Give the objects of a real label map the textures of :func:`make_scene`.

    Each connected region of a class is an object; its part is a disc somewhere inside. The labels
    are (H, W) uint8, 0 background, up to 20 classes, 255 unknown.
    """
    instances, parts = np.zeros(labels.shape, np.int32), np.zeros(labels.shape, bool)
    count = 0
    for label in np.unique(labels[(labels != BACKGROUND) & (labels != UNKNOWN)]):
        number, regions, stats, _ = cv2.connectedComponentsWithStats(
            (labels == label).astype(np.uint8), connectivity=8
        )
        for region in range(1, number):
            inside = regions == region
            count += 1
            instances[inside] = count
            depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 3)
            # Anywhere that is not close to the rim.
            rows, columns = np.nonzero(depth >= 0.6 * depth.max())
            at = rng.integers(len(rows))
            radius = max(3.0, 0.35 * np.sqrt(stats[region, cv2.CC_STAT_AREA] / np.pi))
            parts |= _disc(labels.shape, rows[at], columns[at], radius) & inside
    return _paint(rng, labels, instances, parts)


def _silhouette(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A body and the part at one of its ends, (H, W) bool each; partly outside the image."""
    # Sizes are spread evenly over scales, a factor of five from the smallest to the largest.
    length = size * np.exp(rng.uniform(np.log(0.13), np.log(0.45)))
    breadth = length * rng.uniform(0.45, 0.85)
    angle = rng.uniform(0, 360)
    centre = rng.uniform(0.15 * size, 0.85 * size, 2)
    body = np.zeros((size, size), np.uint8)
    kind = rng.integers(3)
    if kind == 0:
        cv2.ellipse(body, (tuple(centre), (2 * length, 2 * breadth), angle), 1, -1)
    else:
        corners = cv2.boxPoints((tuple(centre), (2 * length, 2 * breadth), angle))
        if kind == 2:  # a wedge
            corners[2] = corners[3] = (corners[2] + corners[3]) / 2
        cv2.fillPoly(body, [corners.astype(np.int32)], 1)
    direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    end = centre + rng.choice([-1, 1]) * rng.uniform(0.5, 0.9) * length * direction
    part = np.zeros_like(body)
    cv2.circle(part, tuple(int(v) for v in end), int(max(4, 0.7 * breadth)), 1, -1)
    return body.astype(bool), part.astype(bool)


def _paint(
    rng: np.random.Generator, labels: np.ndarray, instances: np.ndarray, parts: np.ndarray
) -> Scene:
    image = _background(rng, labels.shape)
    objects = []
    for instance in np.unique(instances[instances > 0]):
        inside = instances == instance
        label = int(labels[inside][0])
        number, group = label - 1, (label - 1) // _CLASSES_PER_BODY
        body = _texture(rng, labels.shape, group % 2 + 5, _BODY_COLOURS[group % 4])
        part = _texture(rng, labels.shape, number % 5, _PART_COLOURS[(number + number // 5) % 5])
        image[inside] = np.where(parts[..., None], part, body)[inside]
        rows, columns = np.nonzero(inside)
        box = (columns.min(), rows.min(), columns.max(), rows.max())
        objects.append((label, tuple(int(v) for v in box)))
    light = 1 + 0.25 * _smooth_noise(rng, labels.shape, labels.shape[0] / 2)
    image = image * light[..., None] + rng.normal(0, 6, image.shape)
    image = cv2.GaussianBlur(image, (3, 3), 0.6)
    image = np.clip(image, 0, 255).astype(np.uint8)
    return Scene(image, labels, _saliency(rng, instances, parts), objects)


def _texture(
    rng: np.random.Generator, shape: tuple[int, int], kind: int, colours: tuple
) -> np.ndarray:
    """(H, W, 3) float of one of seven patterns, at a random angle, phase and period."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi, 2)
    frequency = 2 * np.pi / rng.uniform(5, 8)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    u = (np.cos(angle) * columns + np.sin(angle) * rows) * frequency + phase[0]
    v = (np.cos(angle) * rows - np.sin(angle) * columns) * frequency + phase[1]
    pattern = (
        lambda: np.sin(u) > 0,  # stripes
        lambda: np.sin(u) * np.sin(v) > 0.45,  # dots
        lambda: np.sin(u) * np.sin(v) > 0,  # checks
        lambda: np.sin(np.hypot(u % 12 - 6, v % 12 - 6) * 1.6) > 0,  # rings
        lambda: np.sin(u + 1.5 * np.sin(v)) > 0,  # waves
        lambda: _smooth_noise(rng, shape, 3) > 0,  # mottled
        lambda: np.sin(u * 0.6) + _smooth_noise(rng, shape, 4) > 0,  # grained
    )[kind]()
    first, second = np.asarray(colours, float) + rng.normal(0, 10, (2, 1))
    return np.where(pattern[..., None], first, second)


def _background(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Smooth ground with clutter: lines and patches in the colours of bodies and parts."""
    ground = rng.uniform(80, 180) + rng.uniform(-25, 25, 3)
    shade = 20 * _smooth_noise(rng, shape, shape[0] / 3) + 8 * _smooth_noise(rng, shape, 4)
    tint = _smooth_noise(rng, shape, shape[0] / 4)
    image = ground + shade[..., None] + tint[..., None] * rng.uniform(-14, 14, 3)
    colours = [c for pair in (*_PART_COLOURS, *_BODY_COLOURS) for c in pair]
    for _ in range(rng.integers(4, 12)):
        colour = np.asarray(colours[rng.integers(len(colours))], float) + rng.normal(0, 20, 3)
        start = rng.uniform(0, shape[1], 2)
        if rng.random() < 0.6:
            end = start + rng.uniform(-0.4, 0.4, 2) * shape[1]
            cv2.line(image, _point(start), _point(end), tuple(colour), int(rng.integers(1, 4)))
        else:
            box = (tuple(start), tuple(rng.uniform(3, 0.12 * shape[1], 2)), rng.uniform(0, 90))
            cv2.fillPoly(image, [cv2.boxPoints(box).astype(np.int32)], tuple(colour))
    return image


def _saliency(rng: np.random.Generator, instances: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """What a saliency model might say: uneven, without some parts and objects, with false finds."""
    shape = instances.shape
    found = np.zeros(shape)
    for instance in np.unique(instances[instances > 0]):
        inside = instances == instance
        if rng.random() < 0.08:
            continue
        strength = np.full(shape, rng.uniform(0.65, 1.0))
        strength[parts] *= rng.uniform(0.6, 1.0)
        if rng.random() < 0.4:  # a bite
            rows, columns = np.nonzero(inside)
            at = rng.integers(len(rows))
            radius = 0.35 * np.sqrt(inside.sum() / np.pi) + 1
            strength[_disc(shape, rows[at], columns[at], radius)] *= 0.08
        found[inside] = strength[inside]
    if rng.random() < 0.5:
        centre, radius = rng.uniform(0, shape[0], 2), rng.uniform(0.04, 0.13) * shape[0]
        blob = np.zeros(shape)
        cv2.circle(blob, _point(centre), int(max(radius, 2)), 1.0, -1)
        found = np.maximum(found, blob * rng.uniform(0.2, 0.7))
    sigma = max(shape) / 80
    found = cv2.GaussianBlur(found, (0, 0), sigma) * (1 + 0.15 * _smooth_noise(rng, shape, 12))
    return np.clip(255 * found, 0, 255).astype(np.uint8)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], reach: float) -> np.ndarray:
    """(H, W) float of zero mean and unit deviation, smooth over ``reach`` pixels."""
    grid = [max(2, int(np.ceil(n / reach)) + 1) for n in shape]
    noise = cv2.resize(rng.normal(size=grid), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / max(noise.std(), 1e-6)


def _disc(shape: tuple[int, int], row: int, column: int, radius: float) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def _point(xy: np.ndarray) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])
