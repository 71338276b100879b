"""A small dataset tree whose seeds encode where each pixel lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from PIL import Image

SIZE = (48, 64)  # height, width
CLASSES = ('background', 'a', 'b', 'c', 'd')


class SeedTree:
    """Images and K seed folders below a root."""

    def __init__(self, root: Path, num_images: int = 3, num_seeds: int = 3):
        self.root = root
        self.ids = [f'im{i}' for i in range(num_images)]
        self.seed_dirs = [f's{k}' for k in range(num_seeds)]
        (root / 'images').mkdir(parents=True)
        rng = np.random.default_rng(0)
        for image_id in self.ids:
            rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
            # Red and green say where a pixel came from, as smoothly as JPEG likes it.
            image = np.stack([rows * 5, columns * 4, np.zeros_like(rows)], -1).astype(np.uint8)
            Image.fromarray(image).save(root / 'images' / f'{image_id}.jpg', quality=100)
        for k in range(num_seeds):
            for image_id in self.ids:
                labels = rng.choice([0, 1, 2, 3, 4, 255], size=SIZE)
                self.write(k, image_id, labels)
        (root / 'list.txt').write_text('\n'.join(self.ids) + '\n')

    def seed_path(self, k: int, image_id: str) -> Path:
        return self.root / 'seeds' / self.seed_dirs[k] / f'{image_id}.png'

    def write(self, k: int, image_id: str, labels: np.ndarray) -> None:
        path = self.seed_path(k, image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels.astype(np.uint8)).save(path)

    def seeds(self, image_id: str) -> np.ndarray:
        """(K, H, W) uint8."""
        return np.stack(
            [np.array(Image.open(self.seed_path(k, image_id))) for k in range(len(self.seed_dirs))]
        )

    def stock(self, pipeline: list, **options) -> dict:
        """The config of the stock dataset."""
        return {
            'type': BaseSegDataset,
            'data_root': str(self.root),
            'ann_file': 'list.txt',
            'data_prefix': dict(img_path='images', seg_map_path='labels'),
            'metainfo': dict(classes=CLASSES, palette=[[i, i, i] for i in range(len(CLASSES))]),
            'pipeline': pipeline,
            **options,
        }

    def config(self, pipeline: list, stock: dict | None = None, **options) -> dict:
        """The config of the multi-seed dataset."""
        return {
            'type': 'mmws.MultiSeedDataset',
            'dataset': self.stock(pipeline, **(stock or {})),
            'seed_root': str(self.root / 'seeds'),
            'seed_dirs': list(self.seed_dirs),
            **options,
        }


@pytest.fixture
def tree(tmp_path) -> SeedTree:
    return SeedTree(tmp_path / 'tree')


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')
