import sys

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmws.seeds.bank import write_atomically
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.seed_recipe import SeedRecipe

pytest.importorskip('mmpretrain')
from mmws.engine.seed_command import share_of_work
from mmws.engine.seed_generation import (
    SeedGeneration,
    classifier_identity,
    dataset_images,
    recipe_of,
)

RECIPE = SeedRecipe.from_dict(dict(prefix='a', types='threshold', scales=[1.0, 0.5]))
IDENTITY = {'weights_sha256': 'x'}


class FakeDataset:
    def __init__(self, root, labels):
        self.data_root, self.labels = str(root), labels

    def full_init(self):
        pass

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        image_id, label = list(self.labels)[index]
        path = f'{self.data_root}/images/{image_id}.jpg'
        return dict(img_path=path, image_id=image_id, gt_label=label)


LABELS = [('x', [3]), ('y', [7, 1]), ('z', [0])]


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    for folder in ('images', 'saliency'):
        (tmp_path / folder).mkdir()
    for image_id, _ in LABELS:
        Image.new('RGB', (30, 20)).save(tmp_path / 'images' / f'{image_id}.jpg')
        saliency = rng.integers(0, 60, (20, 30)).astype(np.uint8)
        Image.fromarray(saliency).save(tmp_path / 'saliency' / f'{image_id}.png')
    return tmp_path


def store_cams(generation):
    rng = np.random.default_rng(1)
    generation.cams.prepare()
    for image in generation.images:
        maps = {s: rng.random((len(image.class_ids), 4, 5)).astype(np.float16) for s in (1.0, 0.5)}
        cams = ImageCAMs(image.class_ids, maps)
        write_atomically(generation.cams.file(image.image_id), cams.encode())


def generation_of(root, out='out', **options):
    images = dataset_images(FakeDataset(root, LABELS), RECIPE)
    options = dict(identity=IDENTITY, workers=0, cams_dir=root / 'cams', **options)
    return SeedGeneration(images, RECIPE, root / out, **options)


def contents(folder):
    files = [p for p in folder.rglob('*') if p.is_file()]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def test_lists_images_with_sorted_classes(root):
    images = dataset_images(FakeDataset(root, LABELS), RECIPE)
    assert [image.class_ids for image in images] == [(3,), (1, 7), (0,)]
    assert images[0].saliency_path == f'{root}/saliency/x.png'


@pytest.mark.parametrize(
    'labels, error, message',
    [
        ([('x', [3]), ('x', [4])], ValueError, '1 image ids occur more than once, the first: x'),
        ([('x', [3]), ('y', [])], ValueError, '1 of 2 images have no class, the first: y'),
        ([('q', [3])], FileNotFoundError, '1 of 1 images are missing, the first: .*q.jpg'),
    ],
)
def test_bad_data_is_refused_before_work(root, labels, error, message):
    with pytest.raises(error, match=message):
        dataset_images(FakeDataset(root, labels), RECIPE)


def test_missing_saliency_is_refused_before_work(root):
    (root / 'saliency/y.png').unlink()
    with pytest.raises(FileNotFoundError, match="1 of 3 saliency maps.*source='cam'"):
        dataset_images(FakeDataset(root, LABELS), RECIPE)


def test_shares_and_continued_runs_make_the_same_folders(root):
    whole = generation_of(root)
    store_cams(whole)
    whole.prepare()
    assert whole.run().complete
    expected = contents(root / 'out')
    assert sum(name.endswith('.png') for name in expected) == 6
    for rank in (1, 0):
        part = generation_of(root, 'shared', rank=rank, world_size=2)
        part.prepare()
        assert part.run().complete == (rank == 0)
    assert contents(root / 'shared') == expected
    trial = generation_of(root, 'trial', limit=1)
    trial.prepare()
    assert not trial.run().complete and not list((root / 'trial').rglob('seed.json'))
    rest = generation_of(root, 'trial')
    rest.prepare()
    report = rest.run()
    assert (report.kept, report.made) == (1, 2) and contents(root / 'trial') == expected


def test_a_bad_image_is_skipped_and_named_and_the_others_are_made(root):
    generation = generation_of(root)
    store_cams(generation)
    Image.new('L', (31, 20)).save(root / 'saliency/y.png')
    generation.prepare()
    report = generation.run()
    assert report.made == 2 and not report.complete
    assert list(report.failed) == ['y'] and '31 x 20' in report.failed['y']


def test_images_in_which_saliency_finds_nothing_are_counted(root):
    generation = generation_of(root)
    store_cams(generation)
    Image.new('L', (30, 20), 5).save(root / 'saliency/z.png')
    generation.prepare()
    assert generation.run().sparse == ['z']


def test_no_model_and_no_cams(root):
    generation = generation_of(root)
    generation.prepare()
    with pytest.raises(RuntimeError, match='3 of 3 images have no CAMs.*Give a checkpoint'):
        generation.run()


def test_another_classifier_s_folder_is_refused(root):
    generation_of(root).prepare()
    images = dataset_images(FakeDataset(root, LABELS), RECIPE)
    other = SeedGeneration(images, RECIPE, root / 'out', identity={'weights_sha256': 'y'})
    with pytest.raises(FileExistsError, match="classifier.weights_sha256 is 'x' there and 'y'"):
        other.prepare()
    other.prepare(overwrite=True)


def test_a_class_that_the_classifier_lacks(root):
    with pytest.raises(ValueError, match='has the class 7.*only 5 classes'):
        generation_of(root, classes=['a', 'b', 'c', 'd', 'e'])


def test_the_identity_is_of_weights_and_model():
    import torch

    one, other = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    config = Config(dict(model=dict(type='A', init_cfg=dict(checkpoint='x'))))
    assert classifier_identity(one, config) != classifier_identity(other, config)
    other.load_state_dict(one.state_dict())
    same = Config(dict(model=dict(type='A')))
    assert classifier_identity(one, config) == classifier_identity(other, same)
    assert classifier_identity(one, config) != classifier_identity(one, Config(dict(model=None)))


def test_a_config_without_a_recipe():
    with pytest.raises(ValueError, match='has no `seeds`'):
        recipe_of(Config(dict()))
    config = Config(dict(seeds=dict(prefix='a', types=['threshold'])))
    recipe = recipe_of(config, scales=[0.5], types=None)
    assert recipe.scales == (0.5,) and recipe.types == ('threshold',)


def test_missing_pydensecrf_is_told_with_the_recipe(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pydensecrf.densecrf', None)
    config = Config(dict(seeds=dict(prefix='a')))
    with pytest.raises(ImportError, match='pip install pydensecrf2'):
        recipe_of(config)
    recipe_of(config, types=['threshold'])


def test_shares_of_torchrun_and_srun():
    assert share_of_work({}) == (0, 1, 0)
    assert share_of_work(dict(RANK='3', WORLD_SIZE='4', LOCAL_RANK='1')) == (3, 4, 1)
    step = dict(SLURM_PROCID='2', SLURM_STEP_NUM_TASKS='8', SLURM_LOCALID='0')
    assert share_of_work(step) == (2, 8, 0)
    assert share_of_work(dict(SLURM_PROCID='0', SLURM_NTASKS='8')) == (0, 1, 0)
