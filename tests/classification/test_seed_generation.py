import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from mmws.files.atomic_write import write_atomically
from mmws.seeds.cam_store import ImageCAMs
from mmws.seeds.recipe import SeedRecipe

pytest.importorskip('mmpretrain')
from mmws.classification import seed_generation
from mmws.classification.seed_command import share_of_work
from mmws.classification.seed_generation import (
    SeedGeneration,
    SeedReport,
    classifier_identity,
    dataset_images,
    log_report,
    merge_reports,
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
    options = {**dict(identity=IDENTITY, workers=0, cams_dir=root / 'cams'), **options}
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
        ([('x', [3, 1, 3])], ValueError, r'x has the classes \[1, 3, 3\].*each once'),
        ([('x', [-1])], ValueError, r'x has the classes \[-1\].*from 0'),
        ([('x', ['cat'])], ValueError, r"x.jpg has the gt_label \['cat'\]; .*class indices"),
        ([('x', [0.5])], ValueError, r'x.jpg has the gt_label \[0.5\]'),
        ([('../x', [3])], ValueError, r"1 of 1 image ids .* outside .*first: '\.\./x' of .*x.jpg"),
        ([('/a/x', [3])], ValueError, "ids would name files outside .*first: '/a/x'"),
        ([('x', [3]), ('./x', [3])], ValueError, r"1 of 2 image ids .*first: '\./x'"),
        ([('a/.x', [3])], ValueError, r"hidden ones, the first: 'a/\.x'"),
    ],
)
def test_bad_data_is_refused_before_work(root, labels, error, message):
    with pytest.raises(error, match=message):
        dataset_images(FakeDataset(root, labels), RECIPE)


def test_an_image_of_mmpretrain_s_json_outside_its_folder(root):
    from mmpretrain.datasets import MultiLabelDataset

    images = [dict(img_path='x.jpg', gt_label=[3]), dict(img_path='/elsewhere/x.jpg', gt_label=[1])]
    content = dict(metainfo=dict(classes=['a', 'b', 'c', 'd']), data_list=images)
    (root / 'labels.json').write_text(json.dumps(content))
    dataset = MultiLabelDataset(
        ann_file='labels.json', data_root=str(root), data_prefix='images', pipeline=[]
    )
    with pytest.raises(ValueError, match=r"1 of 2 .*'\.\./.*elsewhere/x' of /elsewhere/x.jpg"):
        dataset_images(dataset, RECIPE)


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
    assert not trial.run().complete
    assert not any(folder.is_complete for folder in trial.folders.values())
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


def test_an_image_that_the_classifier_gives_nan_for_is_skipped_and_named(root, monkeypatch):
    Image.new('RGB', (30, 20), (255, 255, 255)).save(root / 'images/y.jpg')

    def class_maps(model, image, *, scales, flip):
        value = float('nan') if image.mean() > 200 else 1.0
        return [torch.full((20, 2, 3), value) for _ in scales]

    monkeypatch.setattr('mmws.classification.class_maps', class_maps)
    generation = generation_of(root, model=object())
    generation.prepare()
    report = generation.run()
    assert list(report.failed) == ['y'] and 'NaN' in report.failed['y']
    assert report.made == 2 and report.missing == 1


def test_an_image_that_the_memory_of_the_gpu_is_too_small_for(root, monkeypatch):
    Image.new('RGB', (30, 20), (255, 255, 255)).save(root / 'images/y.jpg')

    def class_maps(model, image, *, scales, flip):
        if image.mean() > 200:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory.')
        return [torch.ones(20, 2, 3) for _ in scales]

    monkeypatch.setattr('mmws.classification.class_maps', class_maps)
    generation = generation_of(root, model=object())
    generation.prepare()
    report = generation.run()
    assert list(report.failed) == ['y'] and 'y.jpg does not fit into' in report.failed['y']
    assert report.made == 2


def test_kept_cams_with_nan_make_no_seeds(root):
    generation = generation_of(root)
    store_cams(generation)
    path = generation.cams.file('x')
    maps = {scale: np.full((1, 4, 5), np.nan, np.float16) for scale in (1.0, 0.5)}
    write_atomically(path, ImageCAMs((3,), maps).encode())
    generation.prepare()
    report = generation.run()
    assert list(report.failed) == ['x'] and f'{path}: the CAMs of' in report.failed['x']


def test_other_mistakes_of_the_model_stop_the_run(root, monkeypatch):
    def image_cams(*args, **kwargs):
        raise ValueError('the data_preprocessor pads')

    monkeypatch.setattr(seed_generation, 'image_cams', image_cams)
    generation = generation_of(root, model=object())
    generation.prepare()
    with pytest.raises(ValueError, match='pads'):
        generation.run()


def test_overwriting_that_was_stopped_is_continued(root):
    generation = generation_of(root)
    store_cams(generation)
    generation.prepare()
    generation.run()
    expected = contents(root / 'out')
    changed = generation_of(root, identity={'weights_sha256': 'y'}, cams_dir=None)
    changed.cams = generation.cams
    assert 'what is there goes first' in changed.describe(overwrite=True)
    changed.images = changed.images[:1]
    changed.prepare(overwrite=True)
    assert changed.run().made == 1
    again = generation_of(root, identity={'weights_sha256': 'y'}, cams_dir=None)
    again.cams = generation.cams
    told = again.describe(overwrite=True)
    assert '2 of 3 images to do' in told and '2 to make, 1 are there' in told
    again.prepare(overwrite=True)
    report = again.run()
    assert (report.kept, report.made) == (1, 2) and report.complete
    # Whoever asks for the same seeds once more gets them made once more.
    again.prepare(overwrite=True)
    assert again.run().made == 3
    pngs = {name: content for name, content in expected.items() if name.endswith('.png')}
    assert pngs.items() <= contents(root / 'out').items()


def test_kept_cams_of_another_classifier_name_a_way_that_works(root):
    store_cams(generation_of(root))
    other = generation_of(root, identity={'weights_sha256': 'y'})
    with pytest.raises(
        FileExistsError, match='cams/a was made.*remove this one by hand'
    ) as refusal:
        other.prepare(overwrite=True)
    assert '--overwrite' not in str(refusal.value)


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
    with pytest.raises(ValueError, match='image y has the class 7.*only 5 classes'):
        generation_of(root, classes=['a', 'b', 'c', 'd', 'e'])
    model = SimpleNamespace(head=SimpleNamespace(num_classes=6))
    with pytest.raises(ValueError, match='image y has the class 7.*only 6 classes'):
        generation_of(root, model=model)


def test_the_identity_is_of_weights_and_model():
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


def told(monkeypatch, report, **options):
    lines = []
    monkeypatch.setattr(seed_generation, 'print_log', lambda text, logger: lines.append(text))
    log_report(report, RECIPE, **options)
    return '\n'.join(lines)


def test_advice_is_by_cause(monkeypatch):
    bad = SeedReport(made=2, failed={'y': 'cut off'}, missing=1)
    text = told(monkeypatch, bad)
    assert '1 images were skipped:\n  y: cut off' in text
    assert 'Correct the images' in text and 'to continue' not in text
    text = told(monkeypatch, SeedReport(made=1, missing=2, limited=True))
    assert '2 images are left out' in text and 'without limit' in text
    text = told(monkeypatch, SeedReport(made=1, missing=2, shared=True))
    assert '2 images are left to the other processes' in text
    text = told(monkeypatch, SeedReport(made=1, missing=2), again='run the tool')
    assert text.endswith('2 images are left: run the tool to continue.')
    assert 'not complete' not in told(monkeypatch, SeedReport(made=3, complete=True))


def test_sparse_images_are_those_of_this_run(monkeypatch):
    report = SeedReport(made=2, kept=7, sparse=['x'], complete=True)
    assert 'in 1 of the 2 images made in this run, the first: x' in told(monkeypatch, report)


def test_reports_of_all_processes_are_added_up(monkeypatch):
    one = SeedReport(2, 1, {'q': 'bad'}, ['z'], 1.5, missing=4, shared=True)
    other = SeedReport(3, 0, {'b': 'cut off'}, ['c'], 2.5, missing=2, shared=True)
    merged = merge_reports([one, other])
    assert merged == SeedReport(5, 1, {'b': 'cut off', 'q': 'bad'}, ['c', 'z'], 4.0, missing=2)
    text = told(monkeypatch, merged)
    assert 'b: cut off' in text and 'q: bad' in text and 'are left' not in text
    assert merge_reports([one, SeedReport(complete=True)]).complete


def test_a_run_says_how_many_images_lack_seeds(root):
    first = generation_of(root, rank=0, world_size=2)
    store_cams(generation_of(root))
    first.prepare()
    report = first.run()
    assert (report.missing, report.shared, report.limited) == (1, True, False)
    trial = generation_of(root, 'trial', limit=1)
    trial.prepare()
    report = trial.run()
    assert (report.missing, report.shared, report.limited) == (2, False, True)
    assert not generation_of(root, 'trial', limit=3).limited
