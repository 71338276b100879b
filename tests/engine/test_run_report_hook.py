import json
import re

import numpy as np
import pytest
from mmengine.runner import Runner

from mmws.engine import RunReportHook
from mmws.visualization.plots import confusion_picture, curves


def test_the_page_of_a_training(tiny_cfg, tmp_path):
    tiny_cfg.work_dir = str(tmp_path / 'run')
    tiny_cfg.custom_hooks = [
        dict(type='SeedTrustHook', sample_interval=1, log_interval=2),
        dict(type='RunReportHook'),
    ]
    runner = Runner.from_cfg(tiny_cfg)
    runner.train()
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, RunReportHook))
    page = (tmp_path / 'run/report.html').read_text()
    headings = ['Curves', 'IoU of each class', 'Predictions', 'Trust in each seed, at the end']
    assert re.findall('<h2>(.*?)</h2>', page) == [*headings, 'Versions', 'Config']
    (log,) = (tmp_path / 'run').glob('*/vis_data/scalars.json')
    last = [json.loads(line) for line in log.read_text().splitlines() if 'mIoU' in line][-1]
    assert f'<td>mIoU</td><td>{last["mIoU"]:.4g}</td>' in page
    # As mmseg counts: three images of 22 x 22 pixels and their background.
    known = hook.counts[:-1, :-1]
    assert known[[1, 2, 3]].sum(1).tolist() == [22 * 22] * 3
    union = known.sum(0) + known.sum(1) - np.diag(known)
    iou = np.diag(known)[union > 0] / union[union > 0]
    assert 100 * iou.mean() == pytest.approx(last['mIoU'], abs=0.01)
    assert all(name in page for name in ('seed0', 'aeroplane', 'MultiSeedSegmentor', 'torch'))
    assert page.count('<img') == 3


def test_pictures_of_little_and_much():
    assert curves({'loss': [1.0]}).dtype == np.uint8
    assert curves({'loss': np.arange(999), 'mIoU': [1, 2]}).shape[1] == 720
    assert confusion_picture(np.zeros((2, 2), int), ['a', 'b']).ndim == 3
