import numpy as np
import pytest
import torch
from mmseg.registry import METRICS
from PIL import Image

from mmws.evaluation import CRFIoUMetric
from mmws.seeds.crf import CRFOptions, refine_with_crf

META = dict(classes=('background', 'cat', 'dog'), palette=[[0, 0, 0], [128, 0, 0], [0, 128, 0]])
SIZE = (24, 32)


@pytest.fixture
def samples(tmp_path):
    """Three images of a bright square, ground truth, and scores with noise on it."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(3):
        label = np.zeros(SIZE, np.uint8)
        label[6:18, 4 + 4 * i : 18 + 4 * i] = 1 + i % 2
        image = np.where(label[..., None] > 0, (220, 40, 30), (20, 60, 90))
        image = (image + rng.integers(0, 12, image.shape)).astype(np.uint8)
        path = tmp_path / f'{i}.png'  # lossless: what the metric decodes is what the test has
        Image.fromarray(image).save(path)
        logits = rng.normal(0, 1.2, (3, *SIZE))
        logits += 1.5 * (np.arange(3)[:, None, None] == label)
        logits = torch.from_numpy(logits.astype(np.float32))
        made.append(
            dict(
                img_path=str(path),
                image=image,
                seg_logits=dict(data=logits),
                pred_sem_seg=dict(data=logits.argmax(0, keepdim=True)),
                gt_sem_seg=dict(data=torch.from_numpy(label)[None].long()),
            )
        )
    return made


def _build(**options):
    metric = METRICS.build(dict(type='CRFIoUMetric', **options))
    metric.dataset_meta = META
    return metric


def _mean_iou(predictions, samples):
    predictions = np.stack(predictions)
    truth = np.stack([s['gt_sem_seg']['data'].numpy() for s in samples])
    found = [((predictions == c), (truth == c)) for c in range(3)]
    return 100 * np.mean([(one & other).sum() / (one | other).sum() for one, other in found])


def test_both_numbers_and_the_refined_prediction(samples, tmp_path):
    metric = _build(workers=0, output_dir=str(tmp_path / 'out'))
    metric.process({}, samples)
    found = metric.evaluate(3)
    plain = [s['pred_sem_seg']['data'].numpy() for s in samples]
    refined = [
        refine_with_crf(s['image'], s['seg_logits']['data'].softmax(0).numpy()[None], iterations=5)
        for s in samples
    ]
    assert found['mIoU'] == pytest.approx(_mean_iou(plain, samples), abs=0.011)
    assert found['mIoU_crf'] == pytest.approx(_mean_iou(refined, samples), abs=0.011)
    assert found['mIoU_crf'] > found['mIoU'] + 5  # noise on a plain square is what a CRF removes
    np.testing.assert_array_equal(Image.open(tmp_path / 'out/0.png'), refined[0][0])


def test_options_reach_the_crf(samples):
    metric = _build(workers=0, iterations=0, bilateral_sxy=11, gaussian_compat=1)
    assert metric.crf == CRFOptions(iterations=0, bilateral_sxy=11, gaussian_compat=1)
    for _ in range(2):  # the second evaluation starts anew
        metric.process({}, samples)
        found = metric.evaluate(3)
        assert found['mIoU_crf'] == found['mIoU']  # no step: the argmax of the scores
    assert len(found) == 6


@pytest.mark.slow
def test_result_does_not_depend_on_workers(samples, tmp_path):
    found = {}
    for workers in (0, 1, 2):
        metric = _build(workers=workers, output_dir=str(tmp_path / str(workers)))
        metric.process({}, samples[:2])
        metric.process({}, samples[2:])
        found[workers] = metric.evaluate(3)
        assert metric._pool is None
    assert found[0] == found[1] == found[2]
    for i in range(3):
        files = {(tmp_path / str(w) / f'{i}.png').read_bytes() for w in found}
        assert len(files) == 1


def test_format_only_needs_no_ground_truth(samples, tmp_path):
    metric = _build(workers=0, output_dir=str(tmp_path / 'out'), format_only=True)
    del samples[0]['gt_sem_seg']
    metric.process({}, samples[:1])
    assert metric.evaluate(1) == {} and (tmp_path / 'out/0.png').is_file()


def test_one_channel_means_the_probability_of_foreground():
    probability = torch.tensor([[[0.1, 0.75]]])
    scores = CRFIoUMetric._scores(dict(seg_logits=dict(data=probability)))
    np.testing.assert_allclose(scores, [[[0.9, 0.25]], [[0.1, 0.75]]], rtol=1e-6)


def test_scores_of_another_size_are_refused(samples):
    sample = samples[0]
    sample['seg_logits'] = dict(data=sample['seg_logits']['data'][:, 1:])
    with pytest.raises(ValueError, match=r'0.png are \(23, 32\) and the image is \(24, 32\)'):
        _build(workers=0).process({}, [sample])
    with pytest.raises(KeyError, match='MultiScaleFusionTTA'):
        _build(workers=0).process({}, [dict(img_path='x')])


def test_error_in_a_worker_reaches_the_caller_and_ends_the_pool(samples):
    metric = _build(workers=1)
    samples[0]['seg_logits']['data'][:] = float('nan')
    with pytest.raises(ValueError, match='scores must lie in'):
        metric.process({}, samples)
        metric.evaluate(3)
    assert metric._pool is None
