import json

import numpy as np
import pytest

from mmws.seeds.cam import merge_cams, upsample_cam
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.crf import CRFOptions
from mmws.seeds.seed import saliency_from_cam, threshold_seed
from mmws.seeds.seed_recipe import SeedRecipe

SIZE = (24, 32)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    maps = {1.0: rng.random((2, 6, 8)), 0.75: rng.random((2, 5, 6)), 0.5: rng.random((2, 3, 4))}
    cams = ImageCAMs((4, 11), {scale: cam.astype(np.float16) for scale, cam in maps.items()})
    return image, cams, rng.integers(0, 60, SIZE).astype(np.uint8)


def test_the_paper_s_recipe_is_the_default():
    recipe = SeedRecipe.from_dict(dict(prefix='vgg16'))
    assert recipe.names == [
        'vgg16_threshold_x1.0',
        'vgg16_threshold_x0.75',
        'vgg16_threshold_x0.5',
        'vgg16_crf_x1.0',
        'vgg16_crf_x0.75',
        'vgg16_crf_x0.5',
    ]
    assert recipe.identity('vgg16_threshold_x0.75') == {
        'type': 'threshold',
        'scales': [0.75],
        'merge': None,
        'flip': False,
        'saliency': {'source': 'map', 'folder': 'saliency', 'suffix': '.png'},
        'threshold': {'foreground': 0.1, 'background': 0.06, 'sparse_fallback': False},
    }
    assert recipe.identity('vgg16_crf_x1.0')['crf'] == vars(CRFOptions(iterations=10))


def test_a_seed_depends_on_its_own_numbers_only():
    recipe = SeedRecipe.from_dict(dict(prefix='a'))
    other = SeedRecipe.from_dict(dict(prefix='a', crf=dict(iterations=5), scales=[0.5, 1]))
    assert recipe.identity('a_threshold_x0.5') == other.identity('a_threshold_x0.5')
    assert recipe.identity('a_crf_x0.5') != other.identity('a_crf_x0.5')
    json.dumps(other.identity('a_crf_x1.0'))


def test_makes_each_seed_from_its_scale(case):
    image, cams, saliency = case
    recipe = SeedRecipe.from_dict(dict(prefix='a', types='threshold'))
    seeds = recipe.make(image, cams, saliency)
    assert list(seeds) == recipe.names
    for scale in (1.0, 0.75, 0.5):
        expected = threshold_seed(upsample_cam(cams.maps[scale], SIZE), saliency, (4, 11))
        np.testing.assert_array_equal(seeds[f'a_threshold_x{scale}'], expected)
    assert len({seed.tobytes() for seed in seeds.values()}) == 3


def test_merged_scales(case):
    image, cams, saliency = case
    recipe = SeedRecipe.from_dict(dict(prefix='a', types=['threshold'], merge='mean'))
    assert recipe.names == ['a_threshold_mean']
    assert recipe.identity('a_threshold_mean')['scales'] == [1.0, 0.75, 0.5]
    merged = merge_cams([upsample_cam(cam, SIZE) for cam in cams.maps.values()], 'mean')
    expected = threshold_seed(merged, saliency, (4, 11))
    np.testing.assert_array_equal(recipe.make(image, cams, saliency)['a_threshold_mean'], expected)


def test_background_from_the_cams(case):
    image, cams, _ = case
    options = dict(prefix='a', types='threshold', scales=1.0)
    recipe = SeedRecipe.from_dict(dict(**options, saliency=dict(source='cam', alpha=2)))
    cam = upsample_cam(cams.maps[1.0], SIZE)
    expected = threshold_seed(cam, saliency_from_cam(cam, 2), (4, 11))
    np.testing.assert_array_equal(recipe.make(image, cams, None)['a_threshold_x1.0'], expected)
    assert recipe.identity('a_threshold_x1.0')['saliency'] == {'source': 'cam', 'alpha': 2}


def test_a_crf_seed_does_not_depend_on_which_ones_are_asked_for(case):
    image, cams, saliency = case
    recipe = SeedRecipe.from_dict(dict(prefix='a'))
    everything = recipe.make(image, cams, saliency)
    assert list(everything) == recipe.names
    some = recipe.make(image, cams, saliency, ['a_crf_x0.75', 'a_threshold_x0.5'])
    assert set(some) == {'a_crf_x0.75', 'a_threshold_x0.5'}
    for name, seed in some.items():
        np.testing.assert_array_equal(seed, everything[name])


def test_the_sparse_fallback_reaches_the_seed(case):
    image, cams, _ = case
    options = dict(prefix='a', types='threshold', scales=1.0)
    nothing = np.zeros(SIZE, np.uint8)
    literal = SeedRecipe.from_dict(options)
    rescue = SeedRecipe.from_dict(dict(**options, threshold=dict(sparse_fallback=True)))
    name = 'a_threshold_x1.0'
    assert not np.isin(literal.make(image, cams, nothing)[name], (5, 12)).any()
    assert np.isin(rescue.make(image, cams, nothing)[name], (5, 12)).any()
    assert rescue.identity(name)['saliency']['sparse_share'] == 0.01


def test_an_image_without_any_class_is_background_everywhere(case):
    image, cams, saliency = case
    recipe = SeedRecipe.from_dict(dict(prefix='a'))
    empty = ImageCAMs((), {scale: cam[:0] for scale, cam in cams.maps.items()})
    for given in (None, saliency):
        seeds = recipe.make(image, empty, given)
        assert list(seeds) == recipe.names
        assert all(seed.shape == SIZE and not seed.any() for seed in seeds.values())


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(), "seeds.prefix must be the start of a folder name: ''"),
        (dict(prefix='a/b'), 'start of a folder name'),
        (dict(prefix='a', scale=1), "seeds has no 'scale'; it knows prefix, scales"),
        (dict(prefix='a', crf=dict(iters=5)), "seeds.crf has no 'iters'; it knows iterations"),
        (dict(prefix='a', scales=[1, -1]), 'distinct positive'),
        (dict(prefix='a', scales=[1, 1.0]), 'distinct positive'),
        (dict(prefix='a', scales=[]), 'distinct positive'),
        (dict(prefix='a', types=['CRF']), 'seeds.types must be among'),
        (dict(prefix='a', merge='sum'), 'seeds.merge must be None or'),
        (dict(prefix='a', saliency=dict(source='dss')), "one of .*got 'dss'"),
        (dict(prefix='a', saliency=dict(alpha=0)), 'alpha must be positive'),
        (dict(prefix='a', saliency=dict(sparse_share=1)), 'sparse_share must be a share'),
        (dict(prefix='a', scales=[float('inf')]), 'distinct positive'),
        (dict(prefix='a', threshold=dict(background=0)), 'background must be a share, above 0'),
    ],
)
def test_bad_recipes(options, message):
    with pytest.raises(ValueError, match=message):
        SeedRecipe.from_dict(options)


def test_labels_number_the_classes_as_the_data_do(case):
    image, _, saliency = case
    cams = ImageCAMs((0, 2), {1.0: np.stack([np.eye(6, 8), np.eye(6, 8)[:, ::-1]])})
    common = dict(prefix='a', scales=[1.0], types=['threshold'])
    plain = SeedRecipe.from_dict(common).make(image, cams, saliency)['a_threshold_x1.0']
    recipe = SeedRecipe.from_dict(dict(common, labels=[8, 10, 3]))
    seed = recipe.make(image, cams, saliency)['a_threshold_x1.0']
    assert set(np.unique(plain)) == {0, 1, 3, 255}
    for own, given in ((0, 0), (1, 8), (3, 3), (255, 255)):
        np.testing.assert_array_equal(seed == given, plain == own)
    assert recipe.identity('a_threshold_x1.0')['labels'] == [8, 10, 3]


@pytest.mark.parametrize('labels', [[8, 8], [0, 8], [8, 255], [1.5]])
def test_labels_that_are_none(labels):
    with pytest.raises(ValueError, match='labels must be distinct whole numbers from 1 to 254'):
        SeedRecipe.from_dict(dict(prefix='a', labels=labels))
