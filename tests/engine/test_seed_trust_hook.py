import copy
import json
import re
import sys
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmws import run_config
from mmws.engine import SeedTrustHook
from mmws.evaluation.seed_trust import SeedTrust, trust_sums, trust_table
from mmws.files.label_map import encode_label_map, read_label_map
from mmws.models.wst_weights import SeedView


def test_sums_by_hand():
    view = SeedView(
        logits=torch.eye(4)[None, :, None, :3],  # it says 0, 1, 2
        seeds=torch.tensor([[[[0, 0, 0]], [[1, 1, 2]], [[2, 2, 2]]]], dtype=torch.uint8),
        known=torch.tensor([True, True, False] + [True] * 6).reshape(1, 3, 1, 3),
        weights=torch.arange(9.0).reshape(1, 3, 1, 3) / 2,
        counts=torch.tensor([True, True, False]).view(1, 3, 1, 1).expand(1, 3, 1, 3),
    )
    # The image's second map is from source 0, the first from source 1, the third from none.
    sums = trust_sums(view, torch.tensor([[1, 0, -1]]), (3, 4))
    expected = torch.zeros(3, 4, 3, dtype=torch.float64)
    expected[1, 0] = torch.tensor([2, 1, 0 + 1])
    expected[0, 1] = torch.tensor([2, 1, 3 + 4])
    expected[0, 2] = torch.tensor([1, 1, 5])
    torch.testing.assert_close(sums, expected)
    trust = SeedTrust.of(sums)
    assert trust.pixels.tolist() == [3, 2, 0]
    assert trust.weight[:2].tolist() == [4, 0.5] and trust.weight[2].isnan()
    torch.testing.assert_close(trust.agreement[:2], torch.tensor([2 / 3, 1 / 2]).double())
    assert trust.class_agreement[0, 1:3].tolist() == [1 / 2, 1]


def test_table_puts_the_least_trusted_last():
    sums = torch.tensor([[[10.0, 5, 4], [10, 1, 2]], [[10, 9, 15], [0, 0, 0]], [[0, 0, 0]] * 2])
    trust = SeedTrust.of(sums)
    lines = trust_table(['poor', 'good', 'unseen'], trust, trust, ['sky', 'cat']).splitlines()
    assert [line.split()[0] for line in lines] == ['seed', 'good', 'poor', 'unseen']
    assert lines[2].split()[1:6] == ['0.300', '0.300', '30.0', '30.0', '30.0']
    assert lines[2].endswith('cat 0.20, sky 0.40')
    assert lines[3].split()[1:] == ['-', '-', '-', '-', '-']


HOOK = dict(type='SeedTrustHook', sample_interval=1, log_interval=2, per_class=True)


@pytest.fixture
def cfg(step_cfg, voc_tree, tmp_path):
    """Three seeds, of which the last one is noise; the model trains for eight steps."""
    rng = np.random.default_rng(0)
    for name in voc_tree.seed_names[:2]:
        (tmp_path / name).symlink_to(voc_tree.seed_root / name)
    (tmp_path / 'noise').mkdir()
    for file in (voc_tree.seed_root / 'seed0').glob('*.png'):
        labels = rng.integers(0, 21, read_label_map(file).shape).astype(np.uint8)
        (tmp_path / 'noise' / file.name).write_bytes(encode_label_map(labels))
    seeds = dict(seed_root=str(tmp_path), seed_dirs=['seed0', 'seed1', 'noise'])
    step_cfg.train_dataloader.dataset.update(seeds)
    step_cfg.train_cfg.max_iters = 8
    step_cfg.default_hooks.logger.interval = 10
    return step_cfg


def told(work_dir):
    """The text of the log, and what ``seed_trust.json`` holds."""
    (log,) = work_dir.glob('*/*.log')
    record = work_dir / 'seed_trust.json'
    return log.read_text(), json.loads(record.read_text()) if record.exists() else None


def test_noise_is_trusted_least(cfg, train, tmp_path):
    logged = defaultdict(list)
    for record in train(cfg, 'work', [HOOK]):
        for name, value in record.items():
            logged[name].append(value)
    # 20 pixels in 21 of the noise contradict whatever is predicted.
    assert len(logged['seed_trust/noise/weight']) == 4
    # In the first steps the model agrees with nobody.
    assert all(weight < 0.75 for weight in logged['seed_trust/noise/weight'][1:])
    assert all(agreed < 0.15 for agreed in logged['seed_trust/noise/agreement'])
    assert min(logged['seed_trust/seed0/weight']) > 1
    for kind in ('weight', 'agreement'):
        of_classes = [n for n in logged if n.startswith(f'seed_trust/noise/{kind}/')]
        assert f'seed_trust/noise/{kind}/background' in of_classes and len(of_classes) == 21
    log, content = told(tmp_path / 'work')
    assert content['seeds'] == ['seed0', 'seed1', 'noise']
    assert len(content['parts']) == 4 and len(content['parts'][0]['class_weight'][2]) == 21
    assert [entry['iter'] for entry in content['history']] == [2, 4, 6, 8]
    _, table = log.split('Which seeds the model trusts')  # once
    assert [line.split()[0] for line in table.splitlines()[1:5]][::3] == ['seed', 'noise']


def test_a_training_too_short_to_be_looked_at_says_so(cfg, train, tmp_path):
    train(cfg, 'work', [dict(HOOK, sample_interval=10, log_interval=10)])
    log, content = told(tmp_path / 'work')
    assert re.search('WARNING.* looks at every 10th step, the training had 8', log)
    assert content is None


def test_resume_goes_on_with_the_record(cfg, train, tmp_path):
    train(cfg, 'whole', [HOOK])
    _, whole = told(tmp_path / 'whole')
    cfg.resume, cfg.load_from = True, str(tmp_path / 'whole/iter_4.pth')
    train(cfg, 'resumed', [HOOK])
    _, resumed = told(tmp_path / 'resumed')
    assert [entry['iter'] for entry in resumed['history']] == [2, 4, 6, 8]
    assert resumed['history'][:2] == whole['history'][:2]
    assert resumed['parts'][:2] == whole['parts'][:2]
    assert resumed['parts'][3]['pixels'] is not None


def test_sources_of_mixed_datasets_are_told_apart_by_name():
    hook = SeedTrustHook(sample_interval=1)
    hook.names, hook.classes = ['a', 'b', 'labels'], ['sky']
    names = (('a', 'b'), ('labels',), ('b', 'a'))
    samples = [SimpleNamespace(metainfo=dict(seed_names=of_image)) for of_image in names]
    runner = SimpleNamespace(iter=0, model=nn.Module())
    hook.before_train_iter(runner, 0, dict(data_samples=samples))
    assert hook._owners.tolist() == [[0, 1], [2, -1], [1, 0]]


def test_mistakes(cfg, train):
    with pytest.raises(ValueError, match='multiple of sample_interval; got 3 and 10'):
        SeedTrustHook(sample_interval=3, log_interval=10)
    stock = copy.deepcopy(cfg)
    stock.model.type = stock.model.pop('base')
    with pytest.raises(ValueError, match='in its decode_head; found MultiSeedDataset and EncoderD'):
        train(stock, 'stock', [HOOK])
    cfg.train_dataloader.dataset = cfg.train_dataloader.dataset.dataset
    with pytest.raises(ValueError, match='needs a training dataset with seeds.*PascalVOCDataset'):
        train(cfg, 'no seeds', [HOOK])


@pytest.mark.slow
def test_two_processes_add_up(cfg, python, tmp_path):
    """Each of two processes sees its half of each batch; the sum is what one process sees."""
    cfg.launcher, cfg.work_dir = 'pytorch', str(tmp_path / 'work')
    cfg.train_dataloader.batch_size = 2
    cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=False)
    cfg.optim_wrapper.optimizer.lr = 0.0
    cfg.train_dataloader.dataset.dataset.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', scale=(32, 32), keep_ratio=False),
        dict(type='PackSegInputs'),
    ]
    cfg.model.backbone.norm_cfg = cfg.model.decode_head.norm_cfg = dict(type='GN', num_groups=2)
    cfg.custom_hooks = [dict(type='SeedTrustHook', sample_interval=2, log_interval=8)]
    cfg.train_cfg.max_iters = 2
    cfg.dump(tmp_path / 'two.py')
    python(__file__, tmp_path / 'two.py', cwd=tmp_path, processes=2)
    two = json.loads((tmp_path / 'work/seed_trust.json').read_text())

    one = Config.fromfile(tmp_path / 'two.py')
    one.launcher, one.work_dir = 'none', str(tmp_path / 'one')
    # Four images: one process with the whole batch sees them all in the first step.
    one.train_dataloader.batch_size = 4
    one.custom_hooks[0].update(sample_interval=1)
    one.train_cfg.max_iters = 1
    Runner.from_cfg(one).train()
    one = json.loads((tmp_path / 'one/seed_trust.json').read_text())
    for key in ('pixels', 'weight', 'agreement'):
        expected = next(part[key] for part in one['parts'] if part['pixels'][0])
        found = next(part[key] for part in two['parts'] if part['pixels'][0])
        assert found == pytest.approx(expected, rel=1e-3), key


if __name__ == '__main__':
    # One of two processes.
    run_config.run(Config.fromfile(sys.argv[1]), lambda runner: runner.train())
