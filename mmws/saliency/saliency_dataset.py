"""Pairs of an image and the mask of its salient objects."""

from __future__ import annotations

import os

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from mmws.files.find_images import find_images
from mmws.files.id_list import IMAGE_SUFFIXES, listed_ids


@DATASETS.register_module()
class SaliencyDataset(BaseSegDataset):
    """A folder of images and one of masks, as MSRA-B, DUTS, HKU-IS and ECSSD come.

    An image and its mask share their name. Both may lie in one folder; files with the masks' suffix
    are masks then. With ``ann_file`` only the ids in that list are used.

    Args:
        **kwargs: As in mmseg's ``BaseSegDataset``: ``data_root``, ``data_prefix`` with
            ``img_path`` and ``seg_map_path``, ``seg_map_suffix``, ``ann_file``, ``pipeline``, ...

    Raises:
        FileNotFoundError: A folder, an image or a mask is missing.
        ValueError: Two images have one name, or there are none.
    """

    METAINFO = dict(classes=('background', 'salient'), palette=[[0, 0, 0], [255, 255, 255]])

    def load_data_list(self) -> list[dict]:
        """List the pairs, sorted by name, or in the order of ``ann_file``."""
        image_dir = self.data_prefix['img_path']
        mask_dir = self.data_prefix.get('seg_map_path')
        suffixes = IMAGE_SUFFIXES
        if mask_dir and os.path.realpath(mask_dir) == os.path.realpath(image_dir):
            suffixes = tuple(s for s in suffixes if s != self.seg_map_suffix.lower())
        images = find_images(image_dir, suffixes).images
        if not images:
            raise ValueError(
                f'{image_dir} holds no image with one of the suffixes {", ".join(suffixes)}.'
            )
        ids = listed_ids(self.ann_file, images, image_dir) if self.ann_file else sorted(images)
        masks = find_images(mask_dir, (self.seg_map_suffix.lower(),)).images if mask_dir else images
        missing = [image_id for image_id in ids if image_id not in masks]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(ids)} images have no mask, the first: '
                f'{os.path.join(mask_dir, missing[0] + self.seg_map_suffix)}.'
            )
        return [
            dict(
                img_path=images[image_id],
                label_map=self.label_map,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[],
                **(dict(seg_map_path=masks[image_id]) if mask_dir else {}),
            )
            for image_id in ids
        ]
