"""Where a rule's state is: in checkpoints, and not in the model."""

import copy

import torch
from mmengine.runner import Runner

from mmws.models import WSTLoss


def run(cfg, name, **options):
    cfg = copy.deepcopy(cfg)
    cfg.experiment_name = name
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.model.rule = 'em'
    cfg.merge_from_dict(options)
    runner = Runner.from_cfg(cfg)
    runner.train()
    rule = next(m for m in runner.model.modules() if isinstance(m, WSTLoss)).rule
    return runner, rule


def test_a_resumed_training_goes_on_with_the_state(tiny_cfg, tmp_path):
    tiny_cfg.work_dir = str(tmp_path)
    whole, rule = run(tiny_cfg, 'whole')
    assert rule.state['batches'] == 4
    assert not [name for name in whole.model.state_dict() if 'rule' in name]

    half = {'train_cfg.max_epochs': 1, 'work_dir': str(tmp_path / 'half')}
    _, rule = run(tiny_cfg, 'half', **half)
    assert rule.state['batches'] == 2
    left = {name: value.clone() for name, value in rule.state.items()}
    resumed, rule = run(
        tiny_cfg, 'resumed', resume=True, load_from=str(tmp_path / 'half' / 'epoch_1.pth')
    )
    assert rule.state['batches'] == 4
    saved = torch.load(tmp_path / 'half' / 'epoch_1.pth', weights_only=False)
    saved = saved['message_hub']['runtime_info'][rule._key]
    for name, value in left.items():
        torch.testing.assert_close(saved[name], value)

    # Another training starts anew.
    assert run(tiny_cfg, 'other', **half)[1].state['batches'] == 2


def test_outside_a_run_nothing_is_shared():
    logits, seeds = torch.randn(1, 3, 4, 4), torch.randint(0, 3, (1, 2, 4, 4))
    for _ in range(2):
        loss = WSTLoss(rule='em')
        loss(logits, seeds)
        assert loss.rule.state['batches'] == 1
    loss.eval()(logits, seeds)
    assert loss.rule.state['batches'] == 1  # nothing is learned outside a training
