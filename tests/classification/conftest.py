"""Registers stage one and makes the small VOC tree of these tests."""

import numpy as np
import pytest
from PIL import Image

import mmws.classification  # noqa: F401

# Parts of a person have names too, which are no classes.
OBJECT = '<object><name>{}</name><difficult>{}</difficult><part><name>head</name></part></object>'


@pytest.fixture
def voc_tree(tmp_path):
    """Four images with masks and XML: every case of the difficult rule."""
    root = tmp_path / 'VOC2012'
    for folder in ('JPEGImages', 'Annotations', 'SegmentationClassAug', 'ImageSets'):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = {
        'a': ([('person', 0), ('person', 0), ('dog', 1)], (15,)),
        'b': ([('cat', 1), ('sofa', 1)], (8, 18)),
        'c': ([('tvmonitor', 0), ('aeroplane', 0)], (20, 1)),
        'd': ([('car', 0)], (7,)),
    }
    for index, (image_id, (objects, labels)) in enumerate(samples.items()):
        size = (40 + 3 * index, 50 - 5 * index)
        image = Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        image.save(root / 'JPEGImages' / f'{image_id}.jpg')
        xml = ''.join(OBJECT.format(*one) for one in objects)
        (root / f'Annotations/{image_id}.xml').write_text(f'<annotation>{xml}</annotation>')
        mask = np.zeros(size, np.uint8)
        mask[0, :] = 255
        for row, label in enumerate(labels, start=1):
            mask[row, row] = label
        Image.fromarray(mask).save(root / 'SegmentationClassAug' / f'{image_id}.png')
    (root / 'ImageSets/train.txt').write_text('\n'.join(samples) + '\n')
    return root
