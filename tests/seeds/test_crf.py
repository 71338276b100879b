import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmws.seeds.crf import CRFOptions, crf_probabilities, refine_with_crf

PHOTO = (
    Path(__file__).resolve().parents[2].parent / 'shared/photos_voc20/JPEGImages/000000000036.jpg'
)


def reference(image, scores, **options):
    """Probabilities by pydensecrf, one call a stack as everybody calls it."""
    pytest.importorskip('pydensecrf.densecrf', reason='pydensecrf is not installed')
    return crf_probabilities(image, scores, backend='pydensecrf', **options)


def assert_close(found, expected):
    """Equal but for float32 rounding, which ten steps on noise blow up at a few pixels."""
    difference = np.abs(found - expected)
    assert difference.max() < 3e-3
    assert np.quantile(difference, 0.999) < 1e-4


def random_case(stacks, labels, size=(41, 57), seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), np.uint8)
    image[: size[0] // 2] //= 4  # something to hold on to
    return image, rng.random((stacks, labels, *size), np.float32)


def assert_like_pydensecrf(image, scores, **options):
    expected = reference(image, scores, **options)
    found = crf_probabilities(image, scores, **options)
    assert found.shape == scores.shape and found.dtype == np.float32
    assert_close(found, expected)
    winner = refine_with_crf(image, scores, **options)
    assert winner.shape == (len(scores), *image.shape[:2]) and winner.dtype == np.uint8
    assert (winner == expected.argmax(1)).mean() >= 0.9995
    np.testing.assert_array_equal(winner, found.argmax(1))


@pytest.mark.parametrize(
    'stacks, labels', [(1, 2), (1, 5), (3, 2), (4, 3), (6, 7), (2, 21), (40, 3), (1, 81)]
)
def test_like_pydensecrf(stacks, labels):
    assert_like_pydensecrf(*random_case(stacks, labels))


@pytest.mark.parametrize('size', [(1, 1), (1, 2), (1, 57), (39, 1), (2, 2), (41, 43), (40, 44)])
def test_sizes_like_pydensecrf(size):
    assert_like_pydensecrf(*random_case(2, 3, size))


@pytest.mark.parametrize(
    'options',
    [
        dict(iterations=1),
        dict(bilateral_sxy=0.1, bilateral_srgb=0.1, gaussian_sxy=0.1),
        dict(bilateral_sxy=1, bilateral_srgb=200),
        dict(bilateral_sxy=5000, bilateral_srgb=1, gaussian_sxy=300),
        dict(bilateral_compat=0),
        dict(gaussian_compat=0, bilateral_compat=0),
        dict(bilateral_compat=0.5, gaussian_compat=60),
    ],
    ids=str,
)
def test_numbers_like_pydensecrf(options):
    assert_like_pydensecrf(*random_case(3, 4), **options)


def test_confident_scores_like_pydensecrf():
    # Zeros and ones, as saliency and class maps are: the widest range of energies there is.
    image, scores = random_case(5, 4)
    scores = np.where(scores > 0.8, 1, np.where(scores < 0.5, 0, scores)).astype(np.float32)
    assert_like_pydensecrf(image, scores)


def test_a_stack_does_not_depend_on_its_company():
    image, scores = random_case(6, 3)
    alone = np.concatenate([crf_probabilities(image, stack[None]) for stack in scores])
    assert_close(crf_probabilities(image, scores), alone)
    shuffled = crf_probabilities(image, scores[::-1])[::-1]
    assert_close(shuffled, alone)


def test_compatibilities_far_above_the_usual():
    # exp of these log-odds does not fit into float32.
    image, scores = random_case(3, 3)
    scores[0], scores[0, 0] = 0, 1
    scores[1], scores[1, 2] = 0, 1
    options = dict(bilateral_compat=3000, gaussian_compat=1000)
    found = crf_probabilities(image, scores, **options)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert (found[0].argmax(0) == 0).all() and (found[1].argmax(0) == 2).all()
    assert (found.argmax(1) == reference(image, scores, **options).argmax(1)).mean() > 0.999


def test_without_iterations_the_scores_decide():
    image, scores = random_case(3, 4)
    found = crf_probabilities(image, scores, iterations=0)
    np.testing.assert_allclose(found, scores / scores.sum(1, keepdims=True), atol=2e-4)


def test_a_single_label_wins_everywhere():
    image, scores = random_case(2, 1)
    assert not refine_with_crf(image, scores).any()
    assert (crf_probabilities(image, scores) == 1).all()


def test_smooths_along_the_edges_of_the_image():
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, 30:] = 255
    scores = np.full((1, 2, 40, 60), 0.5, np.float32)
    scores[0, 1, :, 33:] = 0.9  # off the edge by three pixels
    scores[0, 0, :, 33:] = 0.1
    scores[0, 0, :, :30] = 0.7
    scores[0, 1, :, :30] = 0.3
    expected = np.zeros((40, 60), np.uint8)
    expected[:, 30:] = 1
    np.testing.assert_array_equal(refine_with_crf(image, scores)[0], expected)


@pytest.mark.skipif(not PHOTO.is_file(), reason=f'no photos at {PHOTO.parent}')
def test_a_photo_like_pydensecrf():
    image = np.asarray(Image.open(PHOTO).convert('RGB').reduce(2))
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width]
    blobs = [
        np.exp(-((y - height * cy) ** 2 + (x - width * cx) ** 2) / (2 * (height * s) ** 2))
        for cy, cx, s in ((0.5, 0.5, 0.3), (0.3, 0.6, 0.2), (0.6, 0.3, 0.25))
    ]
    scores = np.stack([np.stack([1 - blob, blob, np.roll(blob, 40, 1)]) for blob in blobs])
    expected = reference(image, scores).argmax(1)
    assert (refine_with_crf(image, scores) == expected).mean() >= 0.9999


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(image=np.zeros((4, 5, 3), np.float32)), 'raw image'),
        (dict(image=np.zeros((4, 5), np.uint8)), 'raw image'),
        (dict(scores=np.zeros((1, 2, 5, 4))), r"image's size \(4, 5\)"),
        (dict(scores=np.zeros((2, 4, 5))), r'\(G, L, H, W\)'),
        (dict(scores=np.full((1, 2, 4, 5), np.nan)), r'\[0, 1\]; found \[nan'),
        (dict(scores=np.full((1, 2, 4, 5), -3.0)), 'softmax first'),
        (dict(scores=np.zeros((1, 257, 4, 5))), 'at most 256'),
        (dict(backend='numpy'), r"backend must be one of \('torch', 'pydensecrf'\); got 'numpy'"),
        (dict(iterations=-1), 'CRF option iterations is a whole number of at least 0; got -1'),
    ],
)
def test_bad_input(change, message):
    arguments = dict(image=np.zeros((4, 5, 3), np.uint8), scores=np.ones((1, 2, 4, 5)))
    arguments |= change
    with pytest.raises(ValueError, match=message):
        refine_with_crf(**arguments)


@pytest.mark.parametrize('name', CRFOptions.__dataclass_fields__)
def test_numbers_that_make_no_sense(name):
    reach, whole = name.endswith(('sxy', 'srgb')), name == 'iterations'
    refused = [-1, float('nan'), float('inf'), True, None, '5']
    refused += [0, 1e-8, 1e7] if reach else [2.5] if whole else [1e7]
    for value in refused:
        message = f'the CRF option {name} is a .*number .*; got {value!r}'
        with pytest.raises(ValueError, match=message):
            CRFOptions(**{name: value})
    for value in [0.1, 1e6] if reach else [0, 1000] if whole else [0, 0.5, 1e6]:
        assert getattr(CRFOptions(**{name: value}), name) == value


def test_says_how_to_get_pydensecrf(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pydensecrf.densecrf', None)
    image, scores = random_case(1, 2)
    with pytest.raises(ImportError, match='leave out `backend`.*pip install pydensecrf2.*3.13'):
        refine_with_crf(image, scores, backend='pydensecrf')
    assert refine_with_crf(image, scores).shape == (1, *image.shape[:2])
