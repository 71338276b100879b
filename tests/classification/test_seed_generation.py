from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmws.checkpoint import model_identity
from mmws.classification import seed_generation
from mmws.classification.seed_generation import (
    SeedGeneration,
    recipe_of,
    saliency_identity,
    write_seeds,
)
from mmws.classification.seed_images import SeedImage
from mmws.files.atomic_write import write_atomically
from mmws.files.folder import SALIENCY_MANIFEST, SeedFolder
from mmws.files.image_file import read_image
from mmws.files.label_map import read_label_map
from mmws.seeds.cam_store import ImageCAMs, read_cams
from mmws.seeds.seed_recipe import SeedRecipe

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=[1.0, 0.5]))
IDENTITY = {'weights_sha256': 'x'}
CLASSES = {'x': (3,), 'y': (1, 7), 'z': (0,), 'empty': ()}
# The classifier that the tests stand in for gives NaN, or has not enough memory, for bright images.
BRIGHT = (255, 255, 255)


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ('images', 'saliency'):
        (tmp_path / folder).mkdir()
    for image_id in CLASSES:
        Image.new('RGB', (30, 20)).save(tmp_path / 'images' / f'{image_id}.jpg')
        saliency = rng.integers(0, 60, (20, 30)).astype(np.uint8)
        Image.fromarray(saliency).save(tmp_path / 'saliency' / f'{image_id}.png')
    return tmp_path


def images_of(root):
    return [
        SeedImage(i, f'{root}/images/{i}.jpg', classes, f'{root}/saliency/{i}.png')
        for i, classes in CLASSES.items()
    ]


def generation_of(root, out='out', recipe=RECIPE, **options):
    options = {**dict(identity=IDENTITY, workers=0, cams_dir=root / 'cams'), **options}
    return SeedGeneration(images_of(root), recipe, root / out, **options)


@pytest.fixture
def with_cams(root):
    """The tree with kept CAMs."""
    rng = np.random.default_rng(1)
    generation = generation_of(root)
    generation.cams.prepare()
    for image_id, image in generation.images.items():
        maps = {s: rng.random((len(image.class_ids), 4, 5)).astype(np.float16) for s in (1.0, 0.5)}
        cams = ImageCAMs(image.class_ids, maps)
        write_atomically(generation.cams.file(image_id), cams.encode())
    return root


def run(generation):
    generation.prepare()
    return generation.run()


def test_seeds_are_those_of_the_recipe(with_cams):
    generation = generation_of(with_cams)
    assert not run(generation).missing
    for image_id in CLASSES:
        image = read_image(with_cams / f'images/{image_id}.jpg')
        saliency = np.asarray(Image.open(with_cams / f'saliency/{image_id}.png'))
        expected = RECIPE.make(image, read_cams(generation.cams.file(image_id)), saliency)
        for name, seed in expected.items():
            found = read_label_map(with_cams / 'out' / name / f'{image_id}.png')
            np.testing.assert_array_equal(found, seed)


@pytest.fixture
def classifier(monkeypatch):
    """Stands in for a network: maps that depend on the image, or an error for bright ones."""

    def use(fails):
        def class_maps(model, image, *, scales, flip):
            if image.mean() > 200:
                return fails(scales)
            return [torch.ones(20, 2, 3) for _ in scales]

        monkeypatch.setattr(seed_generation, 'class_maps', class_maps)
        return object()

    return use


def test_cams_are_kept_and_make_the_same_seeds(root, classifier):
    model = classifier(None)
    assert not run(generation_of(root, model=model)).missing
    assert not run(generation_of(root, 'again')).missing
    for name in RECIPE.names:
        for image_id in CLASSES:
            file = f'{name}/{image_id}.png'
            assert (root / 'out' / file).read_bytes() == (root / 'again' / file).read_bytes()
    # An image without any class is background everywhere, and the network does not see it.
    assert not read_label_map(root / 'out/a_threshold_x0.5/empty.png').any()


def _out_of_memory(scales):
    raise torch.cuda.OutOfMemoryError('CUDA out of memory.')


@pytest.mark.parametrize(
    'fails, message',
    [
        (lambda scales: [torch.full((20, 2, 3), float('nan'))] * len(scales), 'NaN'),
        (_out_of_memory, 'y.jpg does not fit into the memory of the GPU'),
    ],
)
def test_an_image_that_the_classifier_fails_for_is_named(root, classifier, fails, message):
    Image.new('RGB', (30, 20), BRIGHT).save(root / 'images/y.jpg')
    report = run(generation_of(root, model=classifier(fails)))
    assert list(report.failed) == ['y'] and message in report.failed['y']
    assert (report.made, report.missing) == (3, 1)


def test_bad_maps_and_bad_kept_cams_are_named(with_cams):
    Image.new('L', (31, 20)).save(with_cams / 'saliency/y.png')
    generation = generation_of(with_cams)
    maps = {scale: np.zeros((1, 4, 5), np.float16) for scale in (1.0, 0.5)}
    write_atomically(generation.cams.file('z'), ImageCAMs((5,), maps).encode())
    path = generation.cams.file('x')
    path.write_bytes(path.read_bytes()[:100])
    report = run(generation)
    assert list(report.failed) == ['x', 'y', 'z'] and report.made == 1
    assert '31 x 20' in report.failed['y'] and f'{path} is not a file of CAMs' in report.failed['x']
    assert 'classes (5,), but the image has (0,)' in report.failed['z']


def test_images_in_which_saliency_finds_nothing_are_noted(with_cams):
    Image.new('L', (30, 20), 5).save(with_cams / 'saliency/z.png')
    generation = generation_of(with_cams)
    report = run(generation)
    assert report.noted == ['z']
    assert '1 of the 4 made images are less than 1% salient' in generation.summary(report)


def test_no_model_and_no_cams(root):
    with pytest.raises(RuntimeError, match='4 images have no CAMs in .*cams/a.*Give a checkpoint'):
        run(generation_of(root))


def test_kept_cams_of_another_classifier_are_never_overwritten(with_cams):
    other = generation_of(with_cams, identity={'weights_sha256': 'y'})
    with pytest.raises(
        FileExistsError, match='cams/a was made.*remove this one by hand'
    ) as refusal:
        other.prepare(overwrite=True)
    assert '--overwrite' not in str(refusal.value)


def test_a_store_of_more_scales_stays_so(with_cams):
    few = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=0.5))
    generation = generation_of(with_cams, recipe=few)
    assert not run(generation).missing and '4 CAMs are kept' in generation.describe()


def test_labels_of_other_classes_than_the_classifier_s(root):
    recipe = SeedRecipe.from_dict(dict(prefix='a', types='threshold', labels=[8, 10]))
    with pytest.raises(ValueError, match=r'labels numbers 2 classes, the classifier has 8'):
        generation_of(root, recipe=recipe, classes=list('abcdefgh'))


def test_a_class_that_the_classifier_lacks(root):
    with pytest.raises(ValueError, match='image y has the class 7.*only 5 classes'):
        generation_of(root, classes=['a', 'b', 'c', 'd', 'e'])
    model = SimpleNamespace(head=SimpleNamespace(num_classes=6))
    with pytest.raises(ValueError, match='image y has the class 7.*only 6 classes'):
        generation_of(root, model=model)


def test_the_identity_is_of_weights_and_model():
    one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    config = dict(model=dict(type='A', init_cfg=dict(checkpoint='x')))
    assert model_identity(one, config) != model_identity(other, config)
    other.load_state_dict(one.state_dict())
    assert model_identity(one, config) == model_identity(other, dict(model=dict(type='A')))
    assert model_identity(one, config) != model_identity(one, dict(model=None))


def test_a_config_and_its_recipe():
    with pytest.raises(ValueError, match='has no `seeds`'):
        recipe_of(Config(dict()))
    recipe = recipe_of(Config(dict(seeds=dict(prefix='a', types=['threshold']))), scales=[0.5])
    assert recipe.scales == (0.5,) and recipe.types == ('threshold',)


def make_maps(folder, *, complete=True, **recipe):
    maps = SeedFolder(folder, recipe, manifest=SALIENCY_MANIFEST)
    maps.prepare()
    write_atomically(maps.file('sub/x'), b'x')
    if complete:
        maps.complete(['sub/x'])


def test_saliency_maps_are_told_apart_by_their_recipes(tmp_path):
    def identity(*folders):
        images = [
            SeedImage(f'{i}', 'x.jpg', (0,), f'{tmp_path / folder}/{i}.png')
            for i, folder in enumerate(folders)
        ]
        return saliency_identity([*images, SeedImage('q', 'q.jpg', ())], '.png')

    for folder, weights in (('a', 'one'), ('b', 'two'), ('c', 'one')):
        make_maps(tmp_path / folder, weights=weights)
    # Neither order nor place matters, nor whether maps are still being added.
    assert identity('a', 'b') == identity('b', 'c') != identity('a', 'c')
    make_maps(tmp_path / 'growing', complete=False, weights='one')
    assert identity('a') == identity('growing') != identity('b')


@pytest.mark.parametrize('content', [None, '{"of": "others"}', 'no JSON'])
def test_maps_of_others_are_known_by_their_folder_only(root, content):
    def saliency(recipe=RECIPE):
        return generation_of(root, recipe=recipe).folders['a_threshold_x1.0'].recipe['saliency']

    if content is not None:
        (root / 'saliency/saliency.json').write_text(content)
    assert saliency() == dict(source='map', folder='saliency', suffix='.png')
    own = dict(prefix='a', types='threshold', scales=1.0, saliency=dict(source='cam'))
    assert saliency(SeedRecipe.from_dict(own)) == dict(source='cam', alpha=4.0)


@pytest.mark.parametrize(
    'name, channels, dtype', [('deep', (), np.uint16), ('alpha', (4,), np.uint8)]
)
def test_images_of_other_kinds_are_read(root, name, channels, dtype):
    path = root / f'größe 1 {name}.png'
    Image.fromarray(np.full((20, 30, *channels), 200, dtype)).save(path)
    cams = ImageCAMs((4,), {scale: np.eye(4, dtype=np.float16)[None] for scale in (1.0, 0.5)})
    image = SeedImage('x', str(path), (4,), f'{root}/saliency/x.png')
    write_seeds(image, cams, {RECIPE.names[0]: root / 'out.png'}, recipe=RECIPE)
    assert read_label_map(root / 'out.png').shape == (20, 30)
