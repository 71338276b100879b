import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest
from mmseg.registry import DATASETS

from mmws.files.label_map import read_label_map


@pytest.fixture
def run(tool, tmp_path):
    options = ['--train', 6, '--val', 2, '--size', 48, '--workers', '0', '--out', tmp_path / 'd']
    return lambda *args: tool('make_shapes.py', *options, *args, cwd=tmp_path)


def test_voc_layout_and_resume(run, tmp_path):
    done = run()
    assert done.returncode == 0, done.stderr
    root = tmp_path / 'd'
    ids = (root / 'ImageSets/Segmentation/train.txt').read_text().split()
    assert len(ids) == 6 and len((root / 'ImageSets/Segmentation/val.txt').read_text().split()) == 2
    labels = read_label_map(root / 'SegmentationClassAug' / f'{ids[0]}.png')
    xml = ElementTree.parse(root / 'Annotations' / f'{ids[0]}.xml')
    names = {node.text for node in xml.iter('name')}
    dataset = DATASETS.build(
        dict(
            type='mmseg.ShapesDataset',
            data_root=str(root),
            ann_file='ImageSets/Segmentation/val.txt',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'),
        )
    )
    assert len(dataset) == 2
    assert names == {dataset.metainfo['classes'][label] for label in np.unique(labels) if label}
    assert cv2.imread(str(root / 'saliency' / f'{ids[0]}.png'), -1).shape == (48, 48)

    before = {p: p.read_bytes() for p in root.rglob('*') if p.is_file()}
    (root / 'JPEGImages' / f'{ids[3]}.jpg').unlink()
    assert '1 images made, 7 were there already' in run().stdout
    assert {p: p.read_bytes() for p in root.rglob('*') if p.is_file()} == before

    other = run('--seed', 4)
    assert other.returncode and 'seed is 0 there and 4 here' in other.stderr


@pytest.mark.parametrize('option', ['--size 0', '--size 12', '--val -1', '--limit 0', '--seed -1'])
def test_numbers_that_make_no_sense(run, tmp_path, option):
    """A scene of 12 pixels has no place for an object and would never be found."""
    done = run(*option.split())
    assert done.returncode == 2 and 'must be a whole number of at least ' in done.stderr
    assert not (tmp_path / 'd').exists()


def test_rendering_of_masks(run, tmp_path):
    masks = tmp_path / 'masks'
    masks.mkdir()
    assert 'holds 0 PNGs' in run('--from-masks', masks).stderr
    for i in range(8):
        labels = np.zeros((90, 120), np.uint8)
        labels[20:70, 20 + i : 90] = i + 1
        cv2.imwrite(str(masks / f'm{i}.png'), labels)
    assert run('--from-masks', masks).returncode == 0
    labels = read_label_map(tmp_path / 'd' / 'SegmentationClassAug' / 'm4.png')
    assert labels.shape == (48, 48) and np.unique(labels).tolist() == [0, 5]
    labels = np.full((90, 120), 37, np.uint8)
    cv2.imwrite(str(masks / 'm4.png'), labels)
    (tmp_path / 'd' / 'JPEGImages' / 'm4.jpg').unlink()
    wrong = run('--from-masks', masks)
    assert wrong.returncode and 'Traceback' not in wrong.stderr
    assert 'm4.png has the labels [37]; VOC has 0 to 20' in wrong.stdout
