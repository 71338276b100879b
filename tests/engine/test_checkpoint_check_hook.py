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


class _Renaming(_Net):
    """Takes the names of an older version, as some modules of the hosts do."""

    def _load_from_state_dict(self, state_dict, prefix, *args):
        for name in [name for name in state_dict if name.startswith(f'{prefix}old_head.')]:
            state_dict[name.replace('old_head', 'decode_head')] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _check(model, weights, **options):
    hook = HOOKS.build(dict(type='CheckpointCheckHook', **options))
    logger = MMLogger.get_instance('test_checkpoint_check')
    runner = SimpleNamespace(model=model, _load_from='old.pth', logger=logger)
    hook.after_load_checkpoint(runner, checkpoint=dict(state_dict=weights))


def _without(weights, text):
    return {name: weight for name, weight in weights.items() if text not in name}


def test_what_fits_passes_and_is_left_as_it_was():
    weights = _Net().state_dict()
    before = {name: weight.clone() for name, weight in weights.items()}
    _check(_Net(), weights)
    assert list(weights) == list(before)
    assert all(torch.equal(weights[name], weight) for name, weight in before.items())
    _check(SegTTAModel(module=_Net()), weights)
    _check(_Net(), {f'module.{name}': weight for name, weight in weights.items()})
    _check(_Net(), _without(weights, 'num_batches'))  # as in old files
    _check(_Net(), _Net(auxiliary=True).state_dict())  # a model for tests leaves it out
    _check(_Renaming(), _Net(name='old_head').state_dict())


@pytest.mark.parametrize(
    'model, weights, message',
    [
        (
            _Net(),
            _Net(name='head').state_dict(),
            r'old.pth is a checkpoint of another architecture than _Net: it lacks 2 weights of the '
            r'model \(decode_head.weight, decode_head.bias\) and has 2 that the model has not '
            r'\(head.weight, head.bias\).*allow_partial=True',
        ),
        (_Net(), _without(_Net().state_dict(), 'decode_head'), 'lacks 2 weights'),
        (_Net(auxiliary=True), _Net().state_dict(), r'lacks 2 weights .*\(auxiliary_head.weight'),
    ],
)
def test_a_part_is_refused_unless_asked_for(model, weights, message):
    with pytest.raises(ValueError, match=message):
        _check(model, weights)
    head = model.decode_head.weight.clone()
    _check(model, weights, allow_partial=True)
    assert 'decode_head.weight' in weights or torch.equal(model.decode_head.weight, head)


@pytest.mark.parametrize('partial', [False, True])
def test_never_accepted(partial):
    with pytest.raises(ValueError, match='old.pth is .* architecture than _Net.*weight, bias'):
        _check(_Net(), nn.Linear(2, 2).state_dict(), allow_partial=partial)
    # Not one weight fits.
    weights = {name: torch.ones(9) for name in _Net().state_dict()}
    with pytest.raises(ValueError, match='old.pth is a checkpoint of another .* than _Net'):
        _check(_Net(), weights, allow_partial=True, allow_mismatch=['.'])
    message = (
        r'2 weights in old.pth.*decode_head.weight is \(5, 4, 1, 1\) in the file and '
        r'\(3, 4, 1, 1\) in the model.*num_classes'
    )
    with pytest.raises(ValueError, match=message):
        _check(_Net(), _Net(5).state_dict(), allow_partial=partial)
    weights = _Net().state_dict()
    weights['backbone.1.running_var'][2] = float('nan')
    with pytest.raises(ValueError, match='1 of 9 weights in old.pth hold NaN.*running_var'):
        _check(_Net(), weights, allow_partial=partial)


def test_named_layers_may_differ_in_shape():
    weights = _Net(5).state_dict()
    _check(_Net(), weights, allow_partial=True, allow_mismatch=['decode_head'])
    with pytest.raises(ValueError, match='1 weights in old.pth.*decode_head.weight'):
        _check(_Net(), weights, allow_partial=True, allow_mismatch=['head.bias'])
    with pytest.raises(ValueError, match='needs allow_partial=True'):
        _check(_Net(), weights, allow_mismatch=['decode_head'])
