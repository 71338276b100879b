"""Labels from masks."""

import itertools
import json
import struct
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

from mmws.classification import LabelMapImageLevelDataset, ListImageLevelDataset


def build(root, **kwargs):
    return LabelMapImageLevelDataset('ImageSets/train.txt', str(root), **kwargs)


def labels(dataset):
    return {s['image_id']: s['gt_label'] for s in map(dataset.get_data_info, range(len(dataset)))}


def test_classes_are_mask_values_less_one(voc_tree):
    assert labels(build(voc_tree)) == {'a': [14], 'b': [7, 17], 'c': [0, 19], 'd': [6]}


def test_list_keeps_the_labels(voc_tree):
    dataset = build(voc_tree)
    dataset.write_list(voc_tree / 'labels.txt')
    text = (voc_tree / 'labels.txt').read_text()
    assert text == 'a person\nb cat sofa\nc aeroplane tvmonitor\nd car\n'
    assert labels(ListImageLevelDataset('labels.txt', str(voc_tree))) == labels(dataset)


def write_mask(root, array):
    Image.fromarray(array).save(root / 'SegmentationClassAug/b.png')


def test_unknown_label(voc_tree):
    write_mask(voc_tree, np.full((4, 4), 21, np.uint8))
    with pytest.raises(ValueError, match='b.png holds the label 21; expected .* 1 to 20'):
        build(voc_tree)


def test_coloured_mask(voc_tree):
    write_mask(voc_tree, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(ValueError, match='b.png has mode RGB: colours, not class ids'):
        build(voc_tree)


def write_grey_png(path, rows, bits):
    """Writes a grey PNG of few bits a pixel, which pillow only reads."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', checksum)

    values = ''.join(f'{v:0{bits}b}' for v in rows[0])
    line = bytes([0]) + int(values, 2).to_bytes(len(values) // 8, 'big')
    header = struct.pack('>IIBBBBB', len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    path.write_bytes(
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(line * len(rows)))
        + chunk(b'IEND', b'')
    )


def test_mask_whose_values_a_decoder_stretches(voc_tree):
    path = voc_tree / 'SegmentationClassAug/b.png'
    write_grey_png(path, [[0, 1]] * 2, 4)
    assert np.asarray(Image.open(path)).tolist() == [[0, 17]] * 2
    with pytest.raises(ValueError, match='b.png is a greyscale PNG of fewer than 8 bits'):
        build(voc_tree)


def test_background_only(voc_tree):
    write_mask(voc_tree, np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match='1 of 4 images .* no known class, the first: b'):
        build(voc_tree)
    assert list(labels(build(voc_tree, unlabelled='skip'))) == ['a', 'c', 'd']


def test_missing_mask(voc_tree):
    (voc_tree / 'SegmentationClassAug/c.png').unlink()
    with pytest.raises(FileNotFoundError, match='1 of 4 label maps .*c.png'):
        build(voc_tree)


def test_unreadable_mask(voc_tree):
    (voc_tree / 'SegmentationClassAug/c.png').write_bytes(b'not a png')
    with pytest.raises(ValueError, match='c.png cannot be decoded'):
        build(voc_tree)


def test_is_built_by_name(voc_tree):
    cfg = dict(
        type='mmpretrain.LabelMapImageLevelDataset',
        ann_file='ImageSets/train.txt',
        data_root=str(voc_tree),
    )
    assert len(DATASETS.build(cfg)) == 4


def test_classes_of_real_masks_are_among_those_of_the_xml(tmp_path):
    shared = Path(__file__).resolve().parents[3].parent / 'shared/voc12'
    if not shared.is_dir():
        pytest.skip('needs the VOC 2012 masks of the shared folder')
    with tarfile.open(shared / 'SegmentationClassAug.tar.gz') as archive:
        files = itertools.islice((member for member in archive if member.isfile()), 200)
        archive.extractall(tmp_path, members=list(files), filter='data')
    folder = next(path for path in tmp_path.rglob('*.png')).parent
    (tmp_path / 'ids.txt').write_text('\n'.join(sorted(path.stem for path in folder.iterdir())))
    dataset = LabelMapImageLevelDataset(
        str(tmp_path / 'ids.txt'),
        data_prefix=dict(img_path=str(folder), seg_map_path=str(folder)),
        img_suffix='.png',
    )
    annotated = json.loads((shared / 'image_labels.json').read_text())
    assert len(dataset) == 200
    for image_id, found in labels(dataset).items():
        assert {dataset.CLASSES[index] for index in found} <= set(annotated[image_id])
