"""Load the mask of salient objects."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from mmws.files.file_kind import file_fault
from mmws.files.label_map import UNKNOWN, read_label_map


@TRANSFORMS.register_module()
class LoadSaliencyMask(BaseTransform):
    """Load ``seg_map_path`` as ``gt_seg_map``, (H, W) uint8: 1 salient, 0 not, 255 unknown.

    Use it in place of ``LoadAnnotations``. An image that comes alone, as mmseg's inference API
    passes it, stays without a mask.

    Args:
        source: ``'grey'``: greyscale masks, salient from 128 on, as saliency data sets have them.
            ``'labels'``: label maps of any segmentation data; every class but 0 is salient, 255 is
            unknown.

    Raises:
        KeyError: The dataset has no masks.
        ValueError: A file is no such mask, or the mask is not of the image's size.
    """

    def __init__(self, source: str = 'grey'):
        if source not in ('grey', 'labels'):
            raise ValueError(
                f"LoadSaliencyMask: source must be 'grey' or 'labels'; got {source!r}."
            )
        self.source = source

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map`` to a sample; one of no dataset is returned as it is."""
        if 'seg_map_path' not in results and 'seg_fields' not in results:
            return results
        if 'seg_map_path' not in results:
            raise KeyError(
                f'the dataset names no mask for {results.get("img_path")}. Set its data_prefix='
                'dict(img_path=..., seg_map_path=...); for maps without masks use '
                'tools/generate_saliency.py.'
            )
        path = results['seg_map_path']
        if self.source == 'labels':
            labels = read_label_map(path)
            mask = np.where(labels == UNKNOWN, np.uint8(UNKNOWN), (labels > 0).astype(np.uint8))
        else:
            mask = self._read_grey(path)
        size = results.get('ori_shape', mask.shape)[:2]
        if mask.shape != tuple(size):
            raise ValueError(
                f'the mask {path} is {mask.shape[1]} x {mask.shape[0]} pixels, its image '
                f'{size[1]} x {size[0]}. If the image is turned by its EXIF data, turn both.'
            )
        results['gt_seg_map'] = mask
        results['seg_fields'].append('gt_seg_map')
        return results

    @staticmethod
    def _read_grey(path: str) -> np.ndarray:
        content = Path(path).read_bytes()
        if (fault := file_fault(content)) is not None:
            raise ValueError(f'the mask {path} {fault}.')
        with Image.open(io.BytesIO(content)) as image:
            grey = np.asarray(image.convert('L'))
        if 0 < grey.max() < 128:
            raise ValueError(
                f'the brightest pixel of the mask {path} is {grey.max()}: it is not black and '
                "white. For label maps set source='labels' in LoadSaliencyMask."
            )
        return (grey >= 128).astype(np.uint8)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(source={self.source!r})'
