import json
import shutil

import pytest
from mmengine.config import Config

from mmws.experiments.identity import described, identify


@pytest.fixture
def files(voc_tree, tmp_path):
    """Lists, weights and two seed folders: one of mmws, one of somebody else."""
    root = tmp_path / 'files'
    shutil.copytree(voc_tree.root / 'ImageSets', root / 'ImageSets')
    for name in ('mine', 'theirs'):
        shutil.copytree(voc_tree.seed_root / voc_tree.seed_names[0], root / name)
    write_recipe(root, 'abc')
    (root / 'weights.pth').write_bytes(b'1')
    return root


def write_recipe(root, checkpoint):
    manifest = dict(recipe=dict(checkpoint=checkpoint), complete=True)
    (root / 'mine/seed.json').write_text(json.dumps(manifest))


def identity(root, test=('--tta',), **changes):
    dataset = dict(data_root=str(root), ann_file='ImageSets/Segmentation/train_aug.txt')
    seeds = dict(dataset=dataset, seed_root=str(root), seed_dirs=['mine', 'theirs'])
    cfg = Config(
        dict(
            train_dataloader=dict(num_workers=4, dataset=seeds),
            model=dict(backbone=dict(init_cfg=dict(checkpoint=str(root / 'weights.pth')))),
            train_cfg=dict(max_epochs=20),
        )
    )
    cfg.merge_from_dict(changes)
    return identify(cfg, test=list(test))


@pytest.fixture
def finished(files, tmp_path):
    described(tmp_path / 'run', identity(files)).prepare()
    return tmp_path / 'run'


def change_png(root):
    png = next((root / 'theirs').glob('*.png'))
    png.write_bytes(png.read_bytes() + b'x')


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        (lambda root: write_recipe(root, 'def'), "seeds .*/mine is '.*' there and '.*' here"),
        (change_png, 'seeds .*/theirs is'),
        (lambda root: (root / 'weights.pth').write_bytes(b'22'), 'weights .*/weights.pth is'),
        (
            lambda root: (root / 'ImageSets/Segmentation/train_aug.txt').write_text('a\n'),
            'list .*/train_aug.txt is',
        ),
    ],
)
def test_a_file_that_has_changed_is_named(files, finished, change, named):
    described(finished, identity(files)).check()
    change(files)
    with pytest.raises(FileExistsError, match=named) as caught:
        described(finished, identity(files)).check()
    assert str(caught.value).count(' there and ') == 1  # nothing else differs
    assert 'Choose another folder with --out' in str(caught.value)


def test_other_settings_are_named(files, finished):
    with pytest.raises(FileExistsError, match='config.train_cfg.max_epochs is 20 there and 30 her'):
        described(finished, identity(files, **{'train_cfg.max_epochs': 30})).check()
    with pytest.raises(FileExistsError, match=r"test is \['--tta'\] there and \[\] here"):
        described(finished, identity(files, test=())).check()


def test_what_changes_no_result_is_not_compared(files, finished):
    shutil.rmtree(files / 'mine')  # the disk was full
    described(finished, identity(files, **{'train_dataloader.num_workers': 1})).check()
