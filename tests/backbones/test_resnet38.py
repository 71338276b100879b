"""ResNet38 against the published table of units and a plain functional re-computation."""

import pytest
import torch
import torch.nn.functional as F

from mmws.backbones import ResNet38

# name: (in, first, second, [third], has a projection), widths at base_channels=64.
TABLE = {
    'b2': (64, 128, 128, True),
    'b2_1': (128, 128, 128, False),
    'b2_2': (128, 128, 128, False),
    'b3': (128, 256, 256, True),
    'b3_1': (256, 256, 256, False),
    'b3_2': (256, 256, 256, False),
    'b4': (256, 512, 512, True),
    **{f'b4_{i}': (512, 512, 512, False) for i in range(1, 6)},
    'b5': (512, 512, 1024, True),
    'b5_1': (1024, 512, 1024, False),
    'b5_2': (1024, 512, 1024, False),
}


def published_shapes():
    """Key names and shapes of the released PyTorch checkpoints, without num_batches_tracked."""
    shapes = {'conv1a.weight': (64, 3, 3, 3)}

    def norm(name, channels):
        for entry in ('weight', 'bias', 'running_mean', 'running_var'):
            shapes[f'{name}.{entry}'] = (channels,)

    for unit, (inputs, middle, outputs, projection) in TABLE.items():
        norm(f'{unit}.bn_branch2a', inputs)
        shapes[f'{unit}.conv_branch2a.weight'] = (middle, inputs, 3, 3)
        norm(f'{unit}.bn_branch2b1', middle)
        shapes[f'{unit}.conv_branch2b1.weight'] = (outputs, middle, 3, 3)
        if projection:
            shapes[f'{unit}.conv_branch1.weight'] = (outputs, inputs, 1, 1)
    for unit, inputs, outputs in (('b6', 1024, 2048), ('b7', 2048, 4096)):
        quarter, half = outputs // 4, outputs // 2
        norm(f'{unit}.bn_branch2a', inputs)
        shapes[f'{unit}.conv_branch2a.weight'] = (quarter, inputs, 1, 1)
        norm(f'{unit}.bn_branch2b1', quarter)
        shapes[f'{unit}.conv_branch2b1.weight'] = (half, quarter, 3, 3)
        norm(f'{unit}.bn_branch2b2', half)
        shapes[f'{unit}.conv_branch2b2.weight'] = (outputs, half, 1, 1)
        shapes[f'{unit}.conv_branch1.weight'] = (outputs, inputs, 1, 1)
    norm('bn7', 4096)
    return shapes


def randomized(model):
    """Gives every norm statistics and affine parameters that change its input."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.2)
    return model


def test_keys_and_shapes_are_those_of_the_released_files():
    with torch.device('meta'):
        state = ResNet38().state_dict()
    shapes = {n: tuple(v.shape) for n, v in state.items() if not n.endswith('num_batches_tracked')}
    assert shapes == published_shapes() and len(shapes) == 191


def test_every_unit_equals_a_functional_recomputation():
    model = randomized(ResNet38(4)).eval()
    state = model.state_dict()
    outputs = {}
    for name, unit in model.named_children():
        unit.register_forward_hook(lambda _, __, out, name=name: outputs.update({name: out}))

    def norm_relu(x, name):
        mean, var, weight, bias = (
            state[f'{name}.{entry}'].view(1, -1, 1, 1)
            for entry in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return ((x - mean) / (var + 1e-5).sqrt() * weight + bias).clamp(min=0)

    def conv(x, name, stride=1, dilation=1):
        weight = state[f'{name}.weight']
        padding = dilation * (weight.shape[-1] - 1) // 2
        return F.conv2d(x, weight, None, stride, padding, dilation)

    torch.manual_seed(0)
    image = torch.randn(2, 3, 41, 57)
    with torch.no_grad():
        (result,) = model(image)
        x = conv(image, 'conv1a')
        torch.testing.assert_close(outputs['conv1a'], x)
        for unit, (*_, projection) in TABLE.items():
            stride = 2 if unit in ('b2', 'b3', 'b4') else 1
            first, second = {'b5': (1, 2), 'b5_1': (2, 2), 'b5_2': (2, 2)}.get(unit, (1, 1))
            active = norm_relu(x, f'{unit}.bn_branch2a')
            branch = conv(active, f'{unit}.conv_branch2a', stride, first)
            branch = norm_relu(branch, f'{unit}.bn_branch2b1')
            branch = conv(branch, f'{unit}.conv_branch2b1', 1, second)
            x = branch + (conv(active, f'{unit}.conv_branch1', stride) if projection else x)
            torch.testing.assert_close(outputs[unit], x, msg=f'{unit} differs')
        for unit in ('b6', 'b7'):
            active = norm_relu(x, f'{unit}.bn_branch2a')
            branch = norm_relu(conv(active, f'{unit}.conv_branch2a'), f'{unit}.bn_branch2b1')
            branch = conv(branch, f'{unit}.conv_branch2b1', 1, 4)
            branch = conv(norm_relu(branch, f'{unit}.bn_branch2b2'), f'{unit}.conv_branch2b2')
            x = branch + conv(active, f'{unit}.conv_branch1')
            torch.testing.assert_close(outputs[unit], x, msg=f'{unit} differs')
        torch.testing.assert_close(result, norm_relu(x, 'bn7'))


@pytest.mark.parametrize('frozen', [True, False])
def test_only_frozen_parts_do_not_change_in_training(frozen):
    model = randomized(ResNet38(2, norm_frozen=frozen, stem_frozen=frozen)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=0.1)
    model(torch.randn(2, 3, 33, 33))[0].square().sum().backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    stem = ('conv1a.', 'b2.', 'b2_1.', 'b2_2.')
    free = {name for name in before if 'conv' in name and not name.startswith(stem)}
    assert changed == (free if frozen else before.keys())
