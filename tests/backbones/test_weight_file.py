"""What every kind of weight file has in common, with files of a small network made here."""

import pytest
import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from mmws.backbones import weight_file
from mmws.backbones.weight_file import fill, read_weight_file


def network(width=3):
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def weights_of(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


@pytest.mark.parametrize('wrapped', [False, True])
def test_bare_weights_and_those_of_a_training(tmp_path, wrapped):
    weights = {('module.' if wrapped else '') + 'a': torch.ones(2), 'note': 'no tensor'}
    content = dict(state_dict=weights, meta=dict(images='x')) if wrapped else weights
    torch.save(content, tmp_path / 'w.pth')
    found, meta = read_weight_file(tmp_path / 'w.pth', 'a file')
    assert list(found) == ['a'] and meta == (dict(images='x') if wrapped else {})


def test_unreadable_files_say_what_to_name_instead(tmp_path, monkeypatch):
    path = tmp_path / 'w.pth'
    with pytest.raises(FileNotFoundError, match=r'no file .*w.pth. Name one .*: a VGG file'):
        read_weight_file(path, 'a VGG file')
    path.write_text('not a checkpoint')
    with pytest.raises(ValueError, match='(?s)w.pth is not .* load safely.* Expected a VGG file'):
        read_weight_file(path, 'a VGG file')
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match='holds no weights by name but a list.* Expected a VGG'):
        read_weight_file(path, 'a VGG file')

    def no_network(*args, **kwargs):
        raise OSError('no route')

    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', no_network)
    with pytest.raises(ValueError, match='vgg16 .*no route.*Without a network, name a downloaded'):
        read_weight_file('torchvision://vgg16', 'a VGG file')


def test_all_is_filled_and_the_rest_of_the_file_is_named(monkeypatch):
    logged = []
    monkeypatch.setattr(weight_file, 'print_log', lambda message, **_: logged.append(message))
    source, target = network(), network()
    weights = weights_of(source)
    del weights['1.num_batches_tracked']  # old files lack it
    # torchvision's IMAGENET1K_FEATURES hold NaN for layers that VGG16LargeFOV has not.
    fill(target, {**weights, 'fc8': torch.full((1,), torch.nan)}, 'w.pth', 'a file')
    for name, value in weights.items():
        assert value.equal(target.state_dict()[name]), name
    assert logged == ['Sequential: loaded 6 entries from w.pth; not used from the file: fc8.']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'1.bias': None}, r'not fit Sequential: 1 of its 6 entries .* first 1.bias; .*Use a file'),
        ({'1.bias': torch.ones(4)}, r'(?s)1.bias: .*\[4\].*\[3\].*without this init_cfg'),
        ({'1.bias': torch.full((3,), torch.nan)}, '1 of 6 weights in w.pth hold NaN.*1.bias'),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    module = network()
    weights = weights_of(module) | change
    weights = {name: value for name, value in weights.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        fill(module, weights, 'w.pth', 'a file')
