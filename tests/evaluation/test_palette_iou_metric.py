import numpy as np
import pytest
import torch
from mmseg.registry import METRICS
from PIL import Image

import mmws.evaluation  # noqa: F401

META = dict(classes=('background', 'cat', 'dog'), palette=[[0, 0, 0], [128, 0, 0], [0, 128, 0]])


def _samples(count=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for i in range(count):
        truth = torch.randint(0, 3, (1, 6, 5), generator=generator)
        truth[0, 0] = 255
        samples.append(
            dict(
                img_path=f'folder/image.{i}.jpg',
                pred_sem_seg=dict(data=torch.randint(0, 3, (1, 6, 5), generator=generator)),
                gt_sem_seg=dict(data=truth),
            )
        )
    return samples


def _build(**options):
    metric = METRICS.build(dict(type='PaletteIoUMetric', **options))
    metric.dataset_meta = META
    return metric


def test_mean_iou_by_hand():
    metric = _build()
    truth = torch.tensor([[[0, 0, 1, 255]]])
    prediction = torch.tensor([[[0, 1, 1, 2]]])
    metric.process(
        {}, [dict(pred_sem_seg=dict(data=prediction), gt_sem_seg=dict(data=truth), img_path='a')]
    )
    # Background 1/2, cat 1/2; dog occurs nowhere that counts.
    assert metric.evaluate(1)['mIoU'] == 50.0


def test_writes_palette_png(tmp_path):
    metric = _build(output_dir=str(tmp_path))
    samples = _samples()
    metric.process({}, samples)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f'image.{i}.png' for i in range(3)]
    with Image.open(tmp_path / 'image.1.png') as image:
        assert image.mode == 'P'
        assert np.array_equal(np.asarray(image), samples[1]['pred_sem_seg']['data'][0].numpy())
        colours = np.asarray(image.getpalette()).reshape(-1, 3)
    assert colours[:3].tolist() == META['palette']
    assert colours[255].tolist() == [224, 224, 192]


def test_folders_of_the_images_are_kept(tmp_path):
    prediction = dict(data=torch.zeros(1, 1, 4))
    samples = [
        dict(img_path=path, pred_sem_seg=prediction)  # no ground truth
        for path in ('data/one/a/1.jpg', 'data/one/b/1.jpg', 'data/two/c/1.jpg', 'other/2.jpg')
    ]
    metric = _build(
        output_dir=str(tmp_path), format_only=True, image_dirs=['data/one', 'data/two/']
    )
    metric.process({}, [*samples, samples[0]])  # once more, to fill up the last batch
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob('*.png'))
    assert written == ['2.png', 'a/1.png', 'b/1.png', 'c/1.png']
    assert metric.evaluate(5) == {}
    assert Image.open(tmp_path / '2.png').size == (4, 1)


def test_two_predictions_are_not_written_to_one_file(tmp_path):
    metric = _build(output_dir=str(tmp_path), format_only=True)
    samples = [
        dict(img_path=f'{f}/1.jpg', pred_sem_seg=dict(data=torch.zeros(1, 2, 4))) for f in 'ab'
    ]
    with pytest.raises(ValueError, match='of a/1.jpg and b/1.jpg would both be 1.png .*image_dirs'):
        metric.process({}, samples)


def test_reduce_zero_label_shifts_ids_and_colours(tmp_path):
    metric = _build(output_dir=str(tmp_path))
    (sample,) = _samples(1)
    metric.process({}, [dict(sample, reduce_zero_label=True)])
    with Image.open(tmp_path / 'image.0.png') as image:
        assert np.array_equal(np.asarray(image), sample['pred_sem_seg']['data'][0].numpy() + 1)
        assert image.getpalette()[3:6] == META['palette'][0]


def test_missing_ground_truth_says_what_to_do():
    (sample,) = _samples(1)
    del sample['gt_sem_seg']
    with pytest.raises(KeyError, match='image.0.jpg.*format_only=True'):
        _build().process({}, [sample])
