import numpy as np
import pytest
import torch
from mmseg.registry import METRICS
from PIL import Image

import mmws.evaluation  # noqa: F401

META = dict(classes=('background', 'cat', 'dog'), palette=[[0, 0, 0], [128, 0, 0], [0, 128, 0]])
PREDICTION = torch.tensor([[[0, 1, 1, 2]]])


def _sample(img_path='folder/image.0.jpg', **maps):
    return dict(
        img_path=img_path,
        pred_sem_seg=dict(data=PREDICTION),
        **{name: dict(data=torch.tensor(rows)) for name, rows in maps.items()},
    )


def _build(**options):
    metric = METRICS.build(dict(type='PaletteIoUMetric', **options))
    metric.dataset_meta = META
    return metric


def test_mean_iou_by_hand_and_the_prediction_as_palette_png(tmp_path):
    metric = _build(output_dir=str(tmp_path))
    metric.process({}, [_sample(gt_sem_seg=[[[0, 0, 1, 255]]])])
    # Background 1/2, cat 1/2; dog occurs nowhere that counts.
    assert metric.evaluate(1)['mIoU'] == 50.0
    with Image.open(tmp_path / 'image.0.png') as image:
        assert image.mode == 'P'
        np.testing.assert_array_equal(image, PREDICTION[0])
        colours = np.asarray(image.getpalette()).reshape(-1, 3)
    assert colours[:3].tolist() == META['palette'] and colours[255].tolist() == [224, 224, 192]


def test_folders_of_the_images_are_kept(tmp_path):
    metric = _build(
        output_dir=str(tmp_path), format_only=True, image_dirs=['data/one', 'data/two/']
    )
    paths = ('data/one/a/1.jpg', 'data/one/b/1.jpg', 'data/two/c/1.jpg', 'other/2.jpg')
    samples = [_sample(path) for path in paths]  # no ground truth
    metric.process({}, [*samples, samples[0]])  # once more, to fill up the last batch
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png'))
    assert written == ['2.png', 'a/1.png', 'b/1.png', 'c/1.png']
    assert metric.evaluate(5) == {}


def test_two_predictions_are_not_written_to_one_file(tmp_path):
    metric = _build(output_dir=str(tmp_path), format_only=True)
    with pytest.raises(ValueError, match='of a/1.jpg and b/1.jpg would both be 1.png .*image_dirs'):
        metric.process({}, [_sample('a/1.jpg'), _sample('b/1.jpg')])


def test_reduce_zero_label_shifts_ids_and_colours(tmp_path):
    metric = _build(output_dir=str(tmp_path), format_only=True)
    metric.process({}, [dict(_sample(), reduce_zero_label=True)])
    with Image.open(tmp_path / 'image.0.png') as image:
        np.testing.assert_array_equal(image, PREDICTION[0] + 1)
        assert image.getpalette()[3:6] == META['palette'][0]


def test_missing_ground_truth_says_what_to_do():
    with pytest.raises(KeyError, match='image.0.jpg.*format_only=True'):
        _build().process({}, [_sample()])
