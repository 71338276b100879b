"""Reads ImageNet weights of VGG16 into DeepLab's version of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import nn

from .vgg16 import conv_names

# torchvision numbers its convolutions, ReLUs and poolings together. 31 and 33 exist in files with
# reduced fully connected layers only, such as the ones that SSD starts from.
_NUMBERED = {
    **dict(zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), conv_names(), strict=True)),
    31: 'fc6',
    33: 'fc7',
}
_CLASSIFIER = {0: 'fc6', 3: 'fc7'}
_LAYERS = (*conv_names(), 'fc6', 'fc7')
_ENTRY = re.compile(
    r'(?:module\.)?'
    r'(?:(?P<name>conv\d_\d|fc[67])|(?:features\.)?(?P<number>\d+)|classifier\.(?P<linear>\d+))'
    r'\.(?P<kind>weight|bias)'
)
_KINDS = (
    "a torchvision VGG16 file (features.0.weight, ..., classifier.3.bias), checkpoint='"
    "torchvision://vgg16', or a Caffe-born vgg16_20M file (conv1_1.weight, ..., fc7.bias)"
)


def decimate(layer: str, value: torch.Tensor) -> torch.Tensor:
    """Shrinks a fully connected layer of VGG16 to DeepLab's convolution, by leaving out.

    Of fc6, seen as a 7x7 convolution, rows and columns 0, 3 and 6 stay (to be used with dilation),
    and every fourth output channel; of fc7 the same output channels and, as input, the kept
    channels of fc6. Nothing is rescaled. DeepLab speaks of subsampling without naming the indices;
    this is the usual reading.

    Args:
        layer: ``'fc6'`` or ``'fc7'``.
        value: The weight, (4096, 25088) or (4096, 512, 7, 7) of fc6, (4096, 4096) or
            (4096, 4096, 1, 1) of fc7; or the bias (4096,) of either.

    Returns:
        (1024, 512, 3, 3) for fc6, (1024, 1024, 1, 1) for fc7, (1024,) for a bias.
    """
    if value.dim() == 1:
        return value[::4]
    if layer == 'fc6':
        return value.reshape(4096, 512, 7, 7)[::4, :, ::3, ::3]
    return value.reshape(4096, 4096, 1, 1)[::4, ::4]


def _is_full(layer: str, value: torch.Tensor) -> bool:
    """Whether ``value`` belongs to a fully connected layer as ImageNet trained it."""
    inputs = {'fc6': 512 * 7 * 7, 'fc7': 4096}.get(layer)
    if inputs is None or value.shape[:1] != (4096,):
        return False
    return value.dim() == 1 or value[0].numel() == inputs


def rename_vgg16_entries(
    entries: Mapping[str, object],
) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Gives the entries of a weight file the names and shapes of DeepLab's VGG16.

    Args:
        entries: The state dict of torchvision's VGG16, or one with Caffe's layer names (of the
            full network or with reduced fully connected layers), with or without ``module.``.

    Returns:
        The entries as ``conv1_1.weight`` ... ``fc7.bias``, and the names of those that belong to no
        such layer.
    """
    found, unused = {}, []
    for key, value in entries.items():
        match = _ENTRY.fullmatch(key)
        layer = None
        if match and isinstance(value, torch.Tensor):
            if match['number']:
                layer = _NUMBERED.get(int(match['number']))
            elif match['linear']:
                layer = _CLASSIFIER.get(int(match['linear']))
            elif match['name'] in _LAYERS:
                layer = match['name']
        if layer is None:
            unused.append(key)
            continue
        found[f'{layer}.{match["kind"]}'] = (
            decimate(layer, value) if _is_full(layer, value) else value
        )
    return found, unused


def read_vgg16_weights(checkpoint: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Reads a weight file of VGG16.

    Args:
        checkpoint: A path, a URL, or a name such as ``torchvision://vgg16``.

    Returns:
        As :func:`rename_vgg16_entries`.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The download failed.
        ValueError: The file holds something else.
    """
    try:
        content = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'VGG16 weights: there is no file {checkpoint}. Name one in init_cfg.checkpoint: '
            f'{_KINDS}.'
        ) from error
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'VGG16 weights: {checkpoint} needs {error.name}, which is not installed. Install it, '
            'or name a downloaded file in init_cfg.checkpoint.'
        ) from error
    except OSError as error:
        raise OSError(
            f'VGG16 weights: {checkpoint} could not be read ({error}). Without a network name a '
            'downloaded file in init_cfg.checkpoint.'
        ) from error
    except Exception as error:  # torch raises many kinds: pickle, zip, runtime
        raise ValueError(
            f'{checkpoint} is not a weight file that torch can load safely '
            f'({type(error).__name__}: {error}). Expected {_KINDS}.'
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get('state_dict'), Mapping):
        content = content['state_dict']
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{checkpoint} holds a {type(content).__name__}; expected tensors by name: {_KINDS}.'
        )
    return rename_vgg16_entries(content)


@WEIGHT_INITIALIZERS.register_module()
class PretrainedVGG16:
    """Fills VGG16 layers from a weight file: ``init_cfg=dict(type='PretrainedVGG16', ...)``.

    For the trunk and for the heads, each with its own ``init_cfg``: every convolution below the
    module whose name is conv1_1 ... conv5_3, fc6 or fc7 is filled (in an ASPP head, all branches
    alike); others, such as the classifying one, are left as they are. In a list of initialisers
    stand it last. What the file holds beyond that is logged.

    Args:
        checkpoint: As in :func:`read_vgg16_weights`.

    Raises:
        FileNotFoundError: There is no such file (when the weights are loaded, as the others).
        OSError: The download failed.
        ValueError: The module has no such layer, or the file does not have one with its shape.
    """

    def __init__(self, checkpoint: str):
        self.checkpoint = checkpoint

    def __call__(self, module: nn.Module) -> None:
        name = type(module).__name__
        wanted = {}
        for path, layer in module.named_modules():
            canonical = path.rpartition('.')[-1]
            if canonical in _LAYERS and isinstance(layer, nn.Conv2d):
                for kind, parameter in layer.named_parameters(recurse=False):
                    wanted[f'{path}.{kind}'] = (f'{canonical}.{kind}', parameter)
        if not wanted:
            raise ValueError(
                f'PretrainedVGG16: {name} has no layer named {_some(_LAYERS)}. Give this init_cfg '
                'to VGG16LargeFOV and to the heads with fc6 and fc7 only.'
            )
        found, unused = read_vgg16_weights(self.checkpoint)
        missing = [entry for entry, _ in wanted.values() if entry not in found]
        if missing:
            raise ValueError(
                f'{self.checkpoint} does not fit {name}: {len(missing)} of its {len(wanted)} '
                f'entries are not in the file, the first {missing[0]}; the file holds '
                f'{_some([*found, *unused])}. Use {_KINDS}.'
            )
        for path, (entry, parameter) in wanted.items():
            if found[entry].shape != parameter.shape:
                raise ValueError(
                    f'{self.checkpoint} does not fit {name}: {path} has shape '
                    f'{tuple(parameter.shape)}, the file has {tuple(found[entry].shape)} for '
                    f'{entry}. Weight files fit base_channels=64 and 1024 channels in fc6 and fc7; '
                    'train other sizes from scratch, without this init_cfg.'
                )
        with torch.no_grad():
            for entry, parameter in wanted.values():
                parameter.copy_(found[entry])
        used = {entry for entry, _ in wanted.values()}
        unused = [*(entry for entry in found if entry not in used), *unused]
        print_log(
            f'{name}: loaded {len(wanted)} entries from {self.checkpoint}; not used from the file: '
            f'{", ".join(unused) if unused else "nothing"}.',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'PretrainedVGG16: {self.checkpoint}')


def _some(names: Iterable[str]) -> str:
    """The first few names, for an error message."""
    names = list(names)
    head = ', '.join(names[:3]) or 'nothing'
    return head + (f' and {len(names) - 3} more' if len(names) > 3 else '')
