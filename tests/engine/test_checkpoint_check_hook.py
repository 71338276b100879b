from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS
from mmseg.models import SegTTAModel
from torch import nn

import mmws.engine  # noqa: F401


class _Net(nn.Module):
    def __init__(self, classes=3, *, name='decode_head', auxiliary=False):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.add_module(name, nn.Conv2d(4, classes, 1))
        self.with_auxiliary_head = auxiliary
        if auxiliary:
            self.auxiliary_head = nn.Conv2d(4, classes, 1)

    def test_step(self, data):
        return data


def _check(model, weights, **options):
    hook = HOOKS.build(dict(type='CheckpointCheckHook', **options))
    runner = SimpleNamespace(
        model=model, _load_from='old.pth', logger=MMLogger.get_instance('test_checkpoint_check')
    )
    hook.after_load_checkpoint(runner, checkpoint=weights)


def test_own_checkpoint_passes_wrapped_or_not():
    weights = _Net().state_dict()
    _check(_Net(), dict(state_dict=weights))
    _check(_Net(), dict(weights))
    _check(_Net(), dict(state_dict={f'module.{name}': w for name, w in weights.items()}))
    _check(SegTTAModel(module=_Net()), dict(state_dict=weights))


def test_checkpoint_itself_is_left_as_it_was():
    checkpoint = dict(state_dict=_Net().state_dict())
    before = {name: weight.clone() for name, weight in checkpoint['state_dict'].items()}
    _check(_Net(), checkpoint)
    assert list(checkpoint['state_dict']) == list(before)
    assert all(torch.equal(checkpoint['state_dict'][name], w) for name, w in before.items())


def test_other_architecture_is_refused():
    with pytest.raises(
        ValueError,
        match=r'old.pth is a checkpoint of another architecture than _Net: it lacks 2 weights of '
        r'the model \(decode_head.weight, decode_head.bias\) and it has 2 that the model has not '
        r'\(head.weight, head.bias\).*allow_partial=True',
    ):
        _check(_Net(), dict(state_dict=_Net(name='head').state_dict()))


def test_no_common_weight_is_refused_even_as_a_part():
    weights = nn.Linear(2, 2).state_dict()
    for partial in (False, True):
        with pytest.raises(ValueError, match='old.pth holds no weight of _Net.*weight, bias'):
            _check(_Net(), dict(state_dict=weights), allow_partial=partial)


def test_other_number_of_classes_is_refused():
    weights = _Net(5).state_dict()
    for partial in (False, True):
        with pytest.raises(
            ValueError,
            match=r'2 weights in old.pth.*decode_head.weight is \(5, 4, 1, 1\) in the file and '
            r'\(3, 4, 1, 1\) in the model.*num_classes',
        ):
            _check(_Net(), dict(state_dict=weights), allow_partial=partial)


def test_part_of_the_weights_is_taken_when_asked_for(caplog):
    weights = {n: w for n, w in _Net().state_dict().items() if n.startswith('backbone')}
    with pytest.raises(ValueError, match='lacks 2 weights'):
        _check(_Net(), dict(state_dict=weights))
    model = _Net()
    head = model.decode_head.weight.clone()
    _check(model, dict(state_dict=weights), allow_partial=True)
    assert torch.equal(model.decode_head.weight, head)


def test_named_layers_may_differ_in_shape():
    weights = _Net(5).state_dict()
    _check(_Net(), dict(state_dict=weights), allow_partial=True, allow_mismatch=['decode_head'])
    with pytest.raises(ValueError, match='1 weights in old.pth.*decode_head.weight'):
        _check(_Net(), dict(state_dict=weights), allow_partial=True, allow_mismatch=['head.bias'])
    with pytest.raises(ValueError, match='needs allow_partial=True'):
        _check(_Net(), dict(state_dict=weights), allow_mismatch=['decode_head'])


def test_auxiliary_head_may_be_left_out_but_not_missing():
    _check(_Net(), dict(state_dict=_Net(auxiliary=True).state_dict()))
    with pytest.raises(ValueError, match='lacks 2 weights of the model .auxiliary_head.weight'):
        _check(_Net(auxiliary=True), dict(state_dict=_Net().state_dict()))


def test_nan_is_refused():
    weights = _Net().state_dict()
    weights['backbone.1.running_var'][2] = float('nan')
    for partial in (False, True):
        with pytest.raises(ValueError, match='1 of 9 weights in old.pth hold NaN.*running_var'):
            _check(_Net(), dict(state_dict=weights), allow_partial=partial)


def test_old_files_without_batch_counters_pass():
    weights = {n: w for n, w in _Net().state_dict().items() if 'num_batches' not in n}
    _check(_Net(), dict(state_dict=weights))


def test_modules_that_rename_their_weights_are_asked():
    class Renaming(_Net):
        def _load_from_state_dict(self, state_dict, prefix, *args):
            for kind in ('weight', 'bias'):
                if f'{prefix}old_head.{kind}' in state_dict:
                    state_dict[f'{prefix}decode_head.{kind}'] = state_dict.pop(
                        f'{prefix}old_head.{kind}'
                    )
            super()._load_from_state_dict(state_dict, prefix, *args)

    _check(Renaming(), dict(state_dict=_Net(name='old_head').state_dict()))
