import json
import tarfile

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import MMSegInferencer
from mmseg.registry import MODELS
from PIL import Image


@pytest.fixture(scope='module')
def checkpoint(tiny_config_file, tmp_path_factory):
    """The checkpoint of a net with random weights."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(tiny_config_file).model)
    path = tmp_path_factory.mktemp('checkpoint') / 'tiny.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict()), path)
    return path


def _metrics(work_dir):
    (path,) = work_dir.glob('*/*.json')
    return json.loads(path.read_text())


@pytest.mark.slow
def test_crf_and_tta_in_one_run(tool, tiny_config_file, checkpoint, voc_tree, tmp_path):
    pytest.importorskip('pydensecrf', reason='the CRF needs pydensecrf (Python 3.10 to 3.12)')
    done = tool(
        'test.py',
        tiny_config_file,
        checkpoint,
        '--tta',
        '--crf',
        '--out',
        'predictions',
        '--work-dir',
        'work',
        '--cfg-options',
        'test_evaluator.workers=0',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = _metrics(tmp_path / 'work')
    assert {'mIoU', 'mIoU_crf', 'aAcc', 'aAcc_crf'} <= set(metrics)
    assert 0 <= metrics['mIoU'] <= 100
    for image_id in voc_tree.ids['val']:
        with (
            Image.open(tmp_path / f'predictions/{image_id}.png') as prediction,
            Image.open(voc_tree.root / f'JPEGImages/{image_id}.jpg') as image,
        ):
            assert prediction.size == image.size
            assert prediction.mode == 'P'
            assert np.asarray(prediction).max() < 21


@pytest.mark.slow
def test_format_only_needs_no_ground_truth(tool, tiny_config_file, checkpoint, voc_tree, tmp_path):
    done = tool(
        'test.py',
        tiny_config_file,
        checkpoint,
        '--format-only',
        '--out',
        'submission',
        '--cfg-options',
        'test_dataloader.dataset.ann_file=ImageSets/Segmentation/test.txt',
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with tarfile.open(tmp_path / 'submission/results.tar.gz') as archive:
        assert archive.getnames() == [
            f'results/VOC2012/Segmentation/comp5_test_cls/{image_id}.png'
            for image_id in voc_tree.ids['test']
        ]


@pytest.mark.slow
def test_mmsegs_own_tool_and_inferencer_take_our_configs(
    tool, tiny_config_file, checkpoint, voc_tree, tmp_path
):
    import mmseg

    stock = f'{mmseg.__path__[0]}/.mim/tools/test.py'
    done = tool(stock, tiny_config_file, checkpoint, '--tta', '--work-dir', 'stock', cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'mIoU' in _metrics(tmp_path / 'stock')

    inferencer = MMSegInferencer(
        model=str(tiny_config_file), weights=str(checkpoint), device='cpu', dataset_name='voc'
    )
    image = voc_tree.root / f'JPEGImages/{voc_tree.ids["val"][0]}.jpg'
    prediction = inferencer(str(image), show=False)['predictions']
    with Image.open(image) as pixels:
        assert prediction.shape == pixels.size[::-1]


@pytest.mark.slow
def test_checkpoint_of_another_architecture_stops(tool, tiny_config_file, checkpoint, tmp_path):
    done = tool(
        'test.py',
        tiny_config_file,
        checkpoint,
        '--cfg-options',
        'model.decode_head.num_convs=2',
        cwd=tmp_path,
    )
    assert done.returncode != 0
    assert 'is a checkpoint of another architecture than MultiSeedEncoderDecoder' in done.stderr
    assert 'decode_head.convs.1' in done.stderr
