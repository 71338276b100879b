"""Two processes make the same step as one with the whole batch, and find the same mIoU.

Run by torchrun, this file is one of the two processes.
"""

import gc
import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import MMDistributedDataParallel
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import mmws  # noqa: F401

CLASSES = 4
# The images differ in how many of their pixels at least one seed knows.
KNOWN = (1.0, 0.6, 0.3, 0.05)
CASES = {
    'largefov': dict(type='WSTLoss'),
    'drop_unknown': dict(type='WSTLoss', unknown='drop', scale=2.0),
    'all_pixels': dict(type='WSTLoss', average='all'),
    'class_weight': dict(type='WSTLoss', class_weight=[1.0, 2.0, 0.5, 3.0]),
    'converted': dict(type='CrossEntropyLoss', avg_non_ignore=True),
}
TOOLS = Path(__file__).resolve().parents[1] / 'tools'


class _Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, stride=4, padding=1)

    def forward(self, x):
        return (self.conv(x).relu(),)


def _model(loss):
    """Without BatchNorm and dropout: what these do depends on how the batch is cut."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    head = dict(
        type='LargeFOVHead',
        in_channels=6,
        in_index=0,
        channels=8,
        dilation=2,
        dropout_ratio=0.0,
        num_classes=CLASSES,
        loss_decode=loss,
    )
    auxiliary = dict(
        type='FCNHead',
        in_channels=6,
        in_index=0,
        channels=6,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=CLASSES,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.4),
    )
    return MODELS.build(
        dict(
            type='MultiSeedSegmentor',
            base='EncoderDecoder',
            backbone=dict(type=_Backbone),
            decode_head=head,
            auxiliary_head=auxiliary,
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
    )


def _batch(images):
    samples, inputs = [], []
    for i in images:
        generator = torch.Generator().manual_seed(i)
        inputs.append(torch.randn(3, 33, 33, generator=generator))
        seeds = torch.randint(0, CLASSES, (3, 33, 33), generator=generator).to(torch.uint8)
        unknown = torch.rand(33, 33, generator=generator) > KNOWN[i]
        seeds[:, unknown] = 255
        seeds[i % 3][torch.rand(33, 33, generator=generator) < 0.3] = 255
        present = (True, True, i != 2)
        if i == 2:
            seeds[2] = 255
        sample = SegDataSample(metainfo=dict(seed_present=present, img_shape=(33, 33)))
        consensus = seeds.min(0, keepdim=True).values.long()
        sample.set_data(dict(gt_seeds=PixelData(data=seeds), gt_sem_seg=PixelData(data=consensus)))
        samples.append(sample)
    return torch.stack(inputs), samples


def _gradients(model, images):
    losses = model(*_batch(images), mode='loss')
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    return {name.removeprefix('module.'): weight.grad for name, weight in model.named_parameters()}


def _one_of_two_processes(out):
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    rank = torch.distributed.get_rank()
    images = [2 * rank, 2 * rank + 1]
    found = {
        name: _gradients(MMDistributedDataParallel(_model(loss)), images)
        for name, loss in CASES.items()
    }
    torch.save(found, Path(out) / f'{rank}.pth')
    torch.distributed.destroy_process_group()
    gc.collect()  # of the wrapped models, which hold the group, too


@pytest.fixture(scope='module')
def distributed(python, tmp_path_factory):
    out = tmp_path_factory.mktemp('distributed')
    python(__file__, out, cwd=out, processes=2)
    return [torch.load(out / f'{rank}.pth') for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize('name', CASES)
def test_two_processes_step_like_one(distributed, name):
    whole = _gradients(_model(CASES[name]), range(4))
    assert len(whole) == 10
    for process in distributed:
        assert process[name].keys() == whole.keys()
        for weight, gradient in whole.items():
            torch.testing.assert_close(
                process[name][weight], gradient, rtol=1e-5, atol=1e-7, msg=weight
            )
    # The images' own counts of known pixels differ, so that averaging per process would not do.
    halves = [_gradients(_model(CASES[name]), images) for images in ([0, 1], [2, 3])]
    if name != 'all_pixels':
        per_process = (halves[0]['backbone.conv.weight'] + halves[1]['backbone.conv.weight']) / 2
        assert not torch.allclose(per_process, whole['backbone.conv.weight'], rtol=1e-2)


@pytest.mark.slow
def test_tools_train_and_test_with_two_processes(python, tiny_config_file, tmp_path):
    train = (TOOLS / 'train.py', tiny_config_file, '--work-dir', 'run', '--launcher', 'pytorch')
    options = ('--cfg-options', 'train_cfg.max_epochs=1')
    log = python(*train, *options, cwd=tmp_path, processes=2)
    # Four images in batches of two on each of two processes: an epoch is one step.
    assert 'Epoch(train) [1][1/1]' in log
    scores = [_scores(log)]

    test = (TOOLS / 'test.py', tiny_config_file, tmp_path / 'run/epoch_1.pth')
    one = python(*test, cwd=tmp_path)
    two = python(*test, '--launcher', 'pytorch', cwd=tmp_path, processes=2)
    # Three images: the second process is given one twice, which must not count twice.
    assert 'Epoch(test) [3/3]' in one and 'Epoch(test) [2/2]' in two
    scores += [_scores(one), _scores(two)]
    assert scores[0] == scores[1] == scores[2]
    assert 0 < scores[0]['mIoU'] < 100


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/task').is_dir(), reason='names of threads are in /proc')
def test_no_thread_of_gloo_outlives_the_run(python, tiny_config_file, tmp_path):
    """Where one does, the interpreter's end sometimes aborts: exit status 1 after a whole run."""
    script = tmp_path / 'run.py'
    script.write_text(
        'import sys\n'
        'from pathlib import Path\n'
        'from mmengine.config import Config\n'
        'import mmws\n'
        'from mmws import run_config\n'
        'def gloo(when):\n'
        "    names = [p.read_text() for p in Path('/proc/self/task').glob('*/comm')]\n"
        "    print(when, sum('gloo' in name for name in names))\n"
        'def work(runner):\n'
        '    runner.train()\n'
        "    gloo('threads-in')\n"
        'cfg = Config.fromfile(sys.argv[1])\n'
        "cfg.launcher, cfg.work_dir, cfg.train_cfg.max_epochs = 'pytorch', 'run', 1\n"
        'run_config.run(cfg, work)\n'
        "gloo('threads-after')\n"
    )
    log = python(script, tiny_config_file, cwd=tmp_path, processes=1)
    assert re.search(r'threads-in [1-9]', log) and 'threads-after 0' in log


def _scores(log):
    """The numbers of the last line of metrics in a log."""
    (*_, line) = re.findall(r'aAcc: .*mIoU: .*', log)
    return {name: float(value) for name, value in re.findall(r'(aAcc|mIoU|mAcc): ([\d.]+)', line)}


if __name__ == '__main__':
    _one_of_two_processes(sys.argv[1])
