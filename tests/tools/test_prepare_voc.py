import shutil

import pytest

from mmws.experiments.cells import TWELVE


@pytest.fixture
def root(voc_tree, tmp_path):
    """Everything but the ResNet38 weights and the seeds."""
    root = tmp_path / 'data/VOCdevkit/VOC2012'
    shutil.copytree(voc_tree.root, root)
    (root / 'saliency').mkdir()
    for image_id in voc_tree.ids['train_aug']:
        (root / f'saliency/{image_id}.png').touch()
    return root


def test_an_empty_folder_says_where_everything_comes_from(tool, tmp_path):
    done = tool('prepare_voc.py', cwd=tmp_path)
    assert done.returncode == 1 and done.stdout.count('MISSING') == 10
    for source in ('trainval archive', 'AffinityNet', 'SBD', 'saliency_aug', 'ademxapp'):
        assert source in done.stdout
    assert 'fetch data/VOCdevkit/VOC2012/ImageSets/Segmentation/train_aug.txt' in done.stdout


def test_the_checklist_leads_to_the_table(tool, root, voc_tree, tmp_path):
    def look(code):
        done = tool('prepare_voc.py', cwd=tmp_path)
        assert done.returncode == code, done.stdout
        return done.stdout

    saliency = root / 'saliency' / f'{voc_tree.ids["train_aug"][1]}.png'
    weights = tmp_path / 'data/pretrained/ilsvrc-cls_rna-a1_cls1000_ep-0001.params'
    weights.parent.mkdir()
    saliency.unlink()
    found = look(1)
    assert '1 of the 4 files of' in found and f'fetch {weights.relative_to(tmp_path)}\n' in found
    assert 'fetch data/VOCdevkit/VOC2012/saliency (train_aug)\n' in found
    saliency.touch()
    weights.touch()
    found = look(0)
    for network in ('vgg16', 'res38'):
        assert f'python tools/train.py configs/cam/{network}_cam_voc12aug.py\n' in found
        assert f'generate_seeds.py configs/cam/{network}_cam_voc12aug.py CHECKP' in found
    for name in TWELVE.seeds:
        shutil.copytree(voc_tree.seed_root / voc_tree.seed_names[0], tmp_path / 'data/seeds' / name)
    # The seeds are there: what they are made of is not fetched for them.
    shutil.rmtree(root / 'saliency')
    weights.unlink()
    assert 'Next:\n  python tools/run_table.py table6' in look(0)
