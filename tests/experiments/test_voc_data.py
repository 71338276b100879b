import shutil
from pathlib import Path

import pytest
from mmengine.config import Config, DictAction

from mmws.experiments import voc_data
from mmws.experiments.paths import project_root
from mmws.experiments.voc_data import VOCData
from mmws.files.folder import SeedFolder

TWELVE = [f'{n}_{t}_{s}' for n in ('vgg16', 'res38') for t in ('threshold', 'crf')
          for s in ('x1.0', 'x0.75', 'x0.5')]  # fmt: skip


def configs(*names):
    return {name: project_root() / 'configs' / 'tables' / 'voc12' / f'{name}.py' for name in names}


@pytest.fixture
def data(voc_tree, tmp_path, monkeypatch):
    """Complete data with the twelve seeds, two of them with a manifest."""
    monkeypatch.setattr(voc_data, 'load_pydensecrf', lambda: None)
    root = tmp_path / 'voc'
    shutil.copytree(voc_tree.root, root)
    for name in TWELVE:
        shutil.copytree(voc_tree.seed_root / voc_tree.seed_names[0], root / 'seeds' / name)
    for name in TWELVE[:2]:
        (root / 'seeds' / name / 'seed.json').write_text('{"recipe": {}}')
    return VOCData(tmp_path / 'out', root)


def seeds_of(data, name):
    return data.root / 'seeds' / name


def test_complete_data_pass_and_the_crf_is_looked_for(data, monkeypatch):
    data.check(configs('12seeds', 'gt'))

    def missing():
        raise ImportError('the CRF needs pydensecrf')

    monkeypatch.setattr(voc_data, 'load_pydensecrf', missing)
    with pytest.raises(ImportError, match='needs pydensecrf'):
        data.check(configs('gt'))


def test_unfinished_and_empty_seed_folders_are_refused(data):
    folder = seeds_of(data, TWELVE[3])
    shutil.rmtree(folder)
    SeedFolder(folder, dict(any=1)).prepare()
    with pytest.raises(FileNotFoundError, match=rf'1 seed .*{TWELVE[3]} is unfinished \(for 12s'):
        data.check(configs('12seeds'))
    (folder / 'seed.json').unlink()
    with pytest.raises(FileNotFoundError, match=rf'{TWELVE[3]} holds no PNG'):
        data.check(configs('12seeds'))
    folder.rmdir()
    with pytest.raises(FileNotFoundError, match=rf'{TWELVE[3]} is missing'):
        data.check(configs('12seeds'))


def test_the_advice_makes_what_is_missing(data):
    with pytest.raises(FileNotFoundError) as caught:
        data.check(configs('noise0.3_2labels', 'noise0.1_1label', 'vgg16_crf_mean', '12seeds'))
    first, *commands = str(caught.value).splitlines()
    assert first.startswith(f'4 seed folders are not ready, the first: {data.root}/noisy/noise0.3_')
    draw = f'--list {data.root}/ImageSets/Segmentation/train_aug.txt'
    masks, noisy = data.root / 'SegmentationClassAug', data.root / 'noisy'
    make = 'python tools/generate_seeds.py configs/cam/vgg16_cam_voc12aug.py CHECKPOINT --out'
    assert [command.strip() for command in commands] == [
        f'python tools/make_noisy_labels.py {masks} {draw} --ratio {ratio} --draws 12 --out {noisy}'
        for ratio in (0.3, 0.1)
    ] + [f'{make} {data.root / "seeds"} --cfg-options seeds.merge=mean']
    for command in commands:
        named = [word for word in command.split() if word.endswith('.py')]
        assert all((project_root() / name).is_file() for name in named)


@pytest.mark.parametrize(
    ('file', 'config', 'complaint'),
    [
        ('ImageSets/Segmentation/train_aug.txt', '12seeds', 'the list .*train_aug.txt is missing'),
        ('JPEGImages/2007_train_aug_2.jpg', '12seeds', '1 of the 4 files .*train_aug_2.jpg'),
        ('JPEGImages/2007_val_0.jpg', '12seeds', '1 of the 3 files .*val_0.jpg'),
        ('SegmentationClassAug/2007_val_0.png', '12seeds', '1 of the 3 files .*val_0.png'),
        ('SegmentationClassAug/2007_train_aug_2.png', 'gt', '1 of the 4 files .*aug_2.png'),
    ],
)
def test_lists_images_and_masks_are_looked_for(data, file, config, complaint):
    (data.root / file).unlink()
    with pytest.raises(FileNotFoundError, match=complaint):
        data.check(configs(config))


def test_masks_of_training_images_are_for_the_ground_truth_only(data):
    (data.root / 'SegmentationClassAug' / '2007_train_aug_2.png').unlink()
    data.check(configs('12seeds'))


def test_what_the_test_server_needs(data):
    assert data.without_test() is None
    (data.root / 'JPEGImages' / '2007_test_1.jpg').unlink()
    assert data.without_test().startswith('1 of the 2 files of')
    (data.root / 'ImageSets/Segmentation/test.txt').unlink()
    assert data.without_test().startswith('there is no')


def test_one_work_dir_is_for_one_root(tmp_path):
    mine, other = (VOCData(tmp_path / 'out', Path(root)) for root in ('/a/mine', '/b/mine'))
    mine.claim()
    mine.check_claim()
    for stranger in (other, VOCData(tmp_path / 'out')):
        with pytest.raises(FileExistsError, match="{'data_root': '/a/mine'}; asked for is"):
            stranger.claim()


def test_results_of_older_versions_are_of_the_default_root(tmp_path):
    (tmp_path / 'out' / 'cells').mkdir(parents=True)
    with pytest.raises(FileExistsError, match='results of an older version'):
        VOCData(tmp_path / 'out', tmp_path).claim()
    VOCData(tmp_path / 'out').claim()


@pytest.mark.parametrize('epochs', [None, 3])
def test_a_trial_lowers_the_rate_to_its_end(tmp_path, epochs):
    for name, path in configs('12seeds', 'r101_gt', 'noise0.1_1label').items():
        cfg = Config.fromfile(path)
        whole = cfg.param_scheduler[0].end - cfg.train_cfg.max_epochs
        options = VOCData(tmp_path, tmp_path / 'voc').options(name, epochs=epochs)
        cfg.merge_from_dict(
            {k: DictAction._parse_iterable(v) for k, v in (o.split('=', 1) for o in options)}
        )
        assert cfg.train_cfg.max_epochs == epochs or epochs is None
        assert cfg.param_scheduler[0].end - cfg.train_cfg.max_epochs == whole == 1
