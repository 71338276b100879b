import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmws.saliency import SaliencyMetric


def sample(saliency, label):
    return dict(
        img_path='a.jpg',
        pred_saliency=dict(data=torch.as_tensor(saliency, dtype=torch.float32)[None]),
        gt_sem_seg=dict(data=torch.as_tensor(label)[None]),
    )


def evaluate(*samples, **kwargs):
    metric = SaliencyMetric(**kwargs)
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


def brute_force(pairs):
    """Cuts every map at every threshold and counts, as slowly as the definition says."""
    errors, curves = [], []
    for saliency, label in pairs:
        known = label != 255
        errors.append(np.abs(saliency - (label == 1))[known].mean())
        curve = []
        for threshold in range(1, 256):
            found = (np.rint(saliency * 255) >= threshold) & known
            hits = (found & (label == 1)).sum()
            curve.append((hits / found.sum() if found.any() else 0, hits / (label == 1).sum()))
        curves.append(curve)
    precision, recall = np.mean(curves, 0).T
    f = [
        1.3 * p * r / (0.3 * p + r) if p + r > 0 else 0
        for p, r in zip(precision, recall, strict=True)
    ]
    return dict(mae=np.mean(errors), max_f=max(f), mean_f=np.mean(f))


def test_by_hand():
    """Values 1, 0.6, 0.2, 0; the first and third are salient.

    Up to threshold 51 (0.2) three are found, two of them right: P = 2/3, R = 1; up to 153 (0.6)
    P = 1/2, R = 1/2; above that P = 1, R = 1/2.
    """
    metrics = evaluate(sample([[1.0, 0.6], [0.2, 0.0]], [[1, 0], [1, 0]]))
    assert metrics['saliency/mae'] == pytest.approx((0 + 0.6 + 0.8 + 0) / 4)
    low, middle, high = 1.3 * (2 / 3) / (0.2 + 1), 0.5, 1.3 * 0.5 / (0.3 + 0.5)
    assert metrics['saliency/max_f'] == pytest.approx(max(low, middle, high)) == high
    expected = (51 * low + 102 * middle + 102 * high) / 255
    assert metrics['saliency/mean_f'] == pytest.approx(expected)


def test_against_brute_force():
    rng = np.random.default_rng(0)
    pairs = []
    for size in [(7, 9), (12, 5), (1, 30)]:
        label = rng.integers(0, 2, size)
        label[0, 0] = 1
        label[0, 1] = 255
        saliency = np.clip(0.4 * (label == 1) + rng.random(size) * 0.6, 0, 1).astype(np.float32)
        pairs.append((saliency, label))
    metrics = evaluate(*(sample(*pair) for pair in pairs))
    for name, value in brute_force(pairs).items():
        assert metrics[f'saliency/{name}'] == pytest.approx(value, abs=1e-6)


def test_image_without_salient_pixels_counts_for_the_error_only():
    full = sample([[1.0, 0.0]], [[1, 0]])
    empty = sample([[0.5, 0.5]], [[0, 0]])
    metrics = evaluate(full, empty)
    assert metrics['saliency/mae'] == pytest.approx(0.25)
    assert metrics['saliency/max_f'] == 1


def test_maps_without_contrast_are_counted(capsys):
    logger = MMLogger.get_instance('contrast')
    logger.info('start')
    evaluate(sample([[1.0, 0.0]], [[1, 0]]), *[sample([[0.0, 0.0]], [[1, 0]])] * 2)
    printed = ''.join(capsys.readouterr())
    assert '2 of 3 maps have no contrast' in printed


def test_mistakes_are_named():
    with pytest.raises(KeyError, match=r'pred_saliency is missing in the prediction of a.jpg'):
        SaliencyMetric().process({}, [dict(img_path='a.jpg')])
    with pytest.raises(ValueError, match=r'a.jpg is \(2, 2\), its mask \(2, 3\)'):
        evaluate(sample(np.zeros((2, 2)), np.zeros((2, 3))))
    with pytest.raises(ValueError, match='no image has a pixel that counts'):
        evaluate(sample(np.zeros((2, 2)), np.full((2, 2), 255)))
