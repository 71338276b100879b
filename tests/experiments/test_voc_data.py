import shutil

import pytest
from mmengine.config import Config

from mmws.experiments.cells import TABLES, TWELVE
from mmws.experiments.photos_data import PhotosData
from mmws.experiments.table_run import TableRun
from mmws.experiments.training_run import project_root
from mmws.experiments.voc_data import VOCData
from mmws.files.folder import SeedFolder
from mmws.files.storage import pack_folder

ALL = {name: t for table in TABLES.values() for name, t in table.trainings.items()}
CONFIGS = project_root() / 'configs' / 'msws'


def check(data, *names):
    data.check([ALL[name] for name in names])


@pytest.fixture
def data(voc_tree, tmp_path):
    """Complete data with the twelve seeds, two of them with a manifest."""
    root = tmp_path / 'voc'
    shutil.copytree(voc_tree.root, root)
    for name in TWELVE.seeds:
        shutil.copytree(voc_tree.seed_root / voc_tree.seed_names[0], root / 'seeds' / name)
    for name in TWELVE.seeds[:2]:
        (root / 'seeds' / name / 'seed.json').write_text('{"recipe": {}}')
    return VOCData(tmp_path / 'out', root, root)


def test_complete_data_pass(data):
    check(data, '12seeds', 'gt')
    # The masks of training images are for the ground truth only.
    (data.root / 'SegmentationClassAug' / '2007_train_aug_2.png').unlink()
    check(data, '12seeds')
    for name in TWELVE.seeds[1:3]:
        pack_folder(data.root / 'seeds' / name, data.root / f'seeds/{name}.zip')
        shutil.rmtree(data.root / 'seeds' / name)
    check(data, '12seeds')


def test_unfinished_and_empty_seed_folders_are_refused(data):
    folder = data.root / 'seeds' / TWELVE.seeds[3]

    def problem():
        with pytest.raises(FileNotFoundError) as caught:
            check(data, '12seeds')
        return str(caught.value)

    shutil.rmtree(folder)
    assert f'1 seed folders are not ready, the first: {folder} is missing. Make' in problem()
    SeedFolder(folder, dict(any=1)).prepare()
    assert f'{folder} is unfinished. Make' in problem()
    (folder / 'seed.json').unlink()
    assert f'{folder} holds no PNG. Make' in problem()


def test_the_advice_makes_what_is_missing(data):
    with pytest.raises(FileNotFoundError) as caught:
        check(data, 'noise0.3_2labels', 'noise0.1_1label', 'vgg16_crf_mean', '12seeds')
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
        (
            'ImageSets/Segmentation/train_aug.txt',
            '12seeds',
            'there is no .*train_aug.txt. They come from .*PSA',
        ),
        ('JPEGImages/2007_train_aug_2.jpg', '12seeds', '1 of the 4 files .*train_aug_2.jpg'),
        ('JPEGImages/2007_val_0.jpg', '12seeds', '1 of the 3 files .*val_0.jpg'),
        ('SegmentationClassAug/2007_val_0.png', '12seeds', '1 of the 3 files .*val_0.png'),
        ('SegmentationClassAug/2007_train_aug_2.png', 'gt', '1 of the 4 files .*aug_2.png'),
    ],
)
def test_lists_images_and_masks_are_looked_for(data, file, config, complaint):
    (data.root / file).unlink()
    with pytest.raises(FileNotFoundError, match=complaint):
        check(data, config)


def test_photos_say_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = PhotosData(tmp_path / 'out')
    trainings = data.table(TABLES['table2']).trainings
    with pytest.raises(FileNotFoundError) as caught:
        data.check([trainings['lite2_both'], trainings['lite0_crf'], ALL['noise0.3_2labels']])
    make = 'python tools/generate_seeds.py configs/photos/{0}_cam.py work_dirs/{0}_cam/epoch_2.pth'
    assert [command.strip() for command in str(caught.value).splitlines()[1:]] == [
        *(f'{make.format(name)} --out data/photo_seeds' for name in ('lite2', 'lite0')),
        'python tools/make_noisy_labels.py data/voc_animals/SegmentationClassAug --list '
        'data/voc_animals/ImageSets/Segmentation/train_balanced.txt --ratio 0.3 --draws 12 '
        '--out data/photo_noisy',
    ]
    with pytest.raises(FileNotFoundError, match='train_balanced.txt.*make_voc_subset.py'):
        check(data, 'gt')


@pytest.mark.parametrize('epochs', [None, 3])
@pytest.mark.parametrize('name', ['12seeds', 'r101_gt', 'noise0.1_1label'])
def test_a_trial_lowers_the_rate_to_its_end(data, name, epochs):
    cfg = TableRun('table6', data, epochs=epochs).run(ALL[name]).config
    assert cfg.train_cfg.max_epochs == (epochs or 20)
    assert cfg.param_scheduler[0].end - cfg.train_cfg.max_epochs == 1


@pytest.mark.parametrize('name', ['12seeds', 'gt', '12seeds_vote'])
def test_cells_start_from_the_weights_of_another_config(tmp_path, name):
    other = CONFIGS / 'deeplabv2_vgg16-caffe_12seeds.py'
    data = VOCData(tmp_path, weights=other)
    found, wanted = TableRun('table6', data).run(ALL[name]).config, Config.fromfile(other)
    for part in ('backbone', 'decode_head'):
        assert found.model[part].init_cfg == wanted.model[part].init_cfg
    for key in ('mean', 'std', 'bgr_to_rgb'):
        assert found.model.data_preprocessor[key] == wanted.model.data_preprocessor[key]
    assert 'vgg16' in found.model.backbone.init_cfg.checkpoint
    r101 = TableRun('table7', data).run(ALL['r101_12seeds'])
    assert r101.config.model.to_dict() == Config.fromfile(r101.base).model.to_dict()
