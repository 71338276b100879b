import json
import runpy
import sys
import tarfile

import mmseg
import numpy as np
import pytest
from mmseg.apis import MMSegInferencer
from PIL import Image


@pytest.fixture
def run(tool, tiny_config_file, tiny_checkpoint, tmp_path):
    """Test a net of random weights in ``tmp_path``."""
    arguments = ('test.py', tiny_config_file, tiny_checkpoint)
    return lambda *options: tool(*arguments, *options, cwd=tmp_path)


def _metrics(work_dir):
    (path,) = work_dir.glob('*/*.json')
    return json.loads(path.read_text())


def test_crf_and_tta_in_one_run(run, voc_tree, tmp_path):
    options = ('--tta', '--crf', '--cfg-options', 'test_evaluator.workers=0')
    done = run('--out', 'predictions', '--work-dir', 'work', *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {'mIoU', 'mIoU_crf', 'aAcc', 'aAcc_crf'} <= set(_metrics(tmp_path / 'work'))
    for image_id in voc_tree.ids['val']:
        prediction = Image.open(tmp_path / f'predictions/{image_id}.png')
        assert prediction.size == Image.open(voc_tree.root / f'JPEGImages/{image_id}.jpg').size
        assert prediction.mode == 'P' and np.asarray(prediction).max() < 21


def test_format_only_needs_no_ground_truth(run, voc_tree, tmp_path):
    test_list = 'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt'
    done = run('--format-only', '--out', 'submission', '--cfg-options', test_list)
    assert done.returncode == 0, done.stderr[-3000:]
    with tarfile.open(tmp_path / 'submission/results.tar.gz') as archive:
        assert archive.getnames() == [
            f'results/VOC2012/Segmentation/comp5_test_cls/{image_id}.png'
            for image_id in voc_tree.ids['test']
        ]


def test_pictures_need_no_training_data(run, voc_tree, tmp_path):
    done = run('--show-dir', 'show', '--cfg-options', 'train_dataloader.dataset.seed_root=nowhere')
    assert done.returncode == 0, done.stderr[-3000:]
    painted = list((tmp_path / 'show').rglob('*.png'))
    assert len(painted) == len(voc_tree.ids['val'])
    assert all(np.asarray(Image.open(path)).std() > 10 for path in painted)


def test_mmsegs_own_tool_and_inferencer_take_our_configs(
    tiny_config_file, tiny_checkpoint, voc_tree, tmp_path, monkeypatch
):
    stock = f'{mmseg.__path__[0]}/.mim/tools/test.py'
    options = ['--tta', '--work-dir', str(tmp_path / 'stock')]
    monkeypatch.setattr(sys, 'argv', [stock, str(tiny_config_file), str(tiny_checkpoint), *options])
    runpy.run_path(stock, run_name='__main__')
    assert 'mIoU' in _metrics(tmp_path / 'stock')

    inferencer = MMSegInferencer(
        model=str(tiny_config_file), weights=str(tiny_checkpoint), device='cpu', dataset_name='voc'
    )
    image = voc_tree.root / f'JPEGImages/{voc_tree.ids["val"][0]}.jpg'
    prediction = inferencer(str(image), show=False)['predictions']
    with Image.open(image) as pixels:
        assert prediction.shape == pixels.size[::-1]
