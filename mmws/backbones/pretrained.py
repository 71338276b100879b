"""Read ImageNet weights of VGG16 into DeepLab's version of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import nn

from mmws.checkpoint import check_finite

from .caffemodel import read_caffemodel
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
# The images that a weight file was trained on.
IMAGES = {
    'imagenet': "RGB less ImageNet's mean, over its deviation "
    '(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], RGB)',
    'rgb255': 'RGB less a mean (mean=[122.675, 116.669, 104.008], std=[1, 1, 1], RGB)',
    'bgr255': 'BGR less a mean (mean=[104.008, 116.669, 122.675], std=[1, 1, 1], BGR)',
}
# The first numbers of the public files: conv1_1's bias in torchvision's, and what the corner of
# its first kernel has for blue, green and red in the one by Oxford's group.
_TORCHVISION_BIAS = (0.4034, 0.3778, 0.4644, -0.3228)
_OXFORD_CORNER = (0.42947, 0.55038, 0.48002)


class VGG16File(NamedTuple):
    """The content of a weight file.

    Attributes:
        entries: ``conv1_1.weight`` ... ``fc7.bias``, of DeepLab's shapes.
        unused: Names of the entries that belong to no such layer.
        images: Key of ``IMAGES``: what the file was trained on; None where that is not known.
    """

    entries: dict[str, torch.Tensor]
    unused: list[str]
    images: str | None


def decimate(layer: str, value: torch.Tensor) -> torch.Tensor:
    """Shrink a fully connected layer of VGG16 to DeepLab's convolution, by leaving out.

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


def rename_vgg16_entries(entries: Mapping[str, object]) -> tuple[dict, list[str]]:
    """Give the entries of a weight file the names and shapes of DeepLab's VGG16.

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
        inputs = {'fc6': 512 * 7 * 7, 'fc7': 4096}.get(layer)
        full = inputs and len(value) == 4096 and (value.dim() == 1 or value[0].numel() == inputs)
        found[f'{layer}.{match["kind"]}'] = decimate(layer, value) if full else value
    return found, unused


def recognise_images(entries: Mapping[str, torch.Tensor]) -> str | None:
    """Tell what a public weight file was trained on, by the first numbers in it.

    Args:
        entries: With DeepLab's names.

    Returns:
        A key of ``IMAGES``; None for other weights.
    """
    weight, bias = entries.get('conv1_1.weight'), entries.get('conv1_1.bias')
    if weight is None or bias is None or weight.shape != (64, 3, 3, 3) or bias.shape != (64,):
        return None
    if torch.allclose(bias[:4].float(), torch.tensor(_TORCHVISION_BIAS), atol=1e-3):
        return 'imagenet'
    # Which corner is first depends on whether a library flips kernels.
    corners = weight[0, :, ::2, ::2].flatten(1).T.float()
    for images, channels in (('bgr255', _OXFORD_CORNER), ('rgb255', _OXFORD_CORNER[::-1])):
        if any(torch.allclose(c, torch.tensor(channels), atol=1e-3) for c in corners):
            return images
    return None


def read_vgg16_weights(checkpoint: str) -> VGG16File:
    """Read a weight file of VGG16.

    Args:
        checkpoint: A path, a URL, or a name such as ``torchvision://vgg16``. A ``.caffemodel`` is
            read without Caffe. A file of torch may say what it was trained on in
            ``meta=dict(images='bgr255')`` (a key of ``IMAGES``) beside its ``state_dict``.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: The download failed.
        ValueError: The file holds something else.
    """
    try:
        if str(checkpoint).endswith('.caffemodel'):
            content = dict(state_dict=read_caffemodel(checkpoint), meta=dict(images='bgr255'))
        else:
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
    meta = {}
    if isinstance(content, Mapping) and isinstance(content.get('state_dict'), Mapping):
        content, meta = content['state_dict'], content.get('meta') or {}
    if not isinstance(content, Mapping):
        raise ValueError(
            f'{checkpoint} holds a {type(content).__name__}; expected tensors by name: {_KINDS}.'
        )
    entries, unused = rename_vgg16_entries(content)
    return VGG16File(entries, unused, meta.get('images') or recognise_images(entries))


@WEIGHT_INITIALIZERS.register_module()
class PretrainedVGG16:
    """Fill VGG16 layers from a weight file: ``init_cfg=dict(type='PretrainedVGG16', ...)``.

    For the trunk and for the heads, each with its own ``init_cfg``: every convolution below the
    module whose name is conv1_1 ... conv5_3, fc6 or fc7 is filled (in an ASPP head, all branches
    alike); others, such as the classifying one, are left as they are. In a list of initialisers
    stand it last. What the file holds beyond that is logged.

    Args:
        checkpoint: As in :func:`read_vgg16_weights`.
        images: The images that the model's ``data_preprocessor`` makes, a key of ``IMAGES``. A file
            that was trained on others is refused, where the file says so or is a public one. None
            checks nothing.

    Raises:
        FileNotFoundError: There is no such file (when the weights are loaded, as the others).
        OSError: The download failed.
        ValueError: The module has no such layer; or the file does not have one with its shape, was
            trained on other images, or holds NaN.
    """

    def __init__(self, checkpoint: str, *, images: str | None = None):
        if images is not None and images not in IMAGES:
            raise ValueError(f'images must be one of {", ".join(IMAGES)}; got {images!r}.')
        self.checkpoint = checkpoint
        self.images = images

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
        found, unused, trained_on = read_vgg16_weights(self.checkpoint)
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
        if None not in (self.images, trained_on) and trained_on != self.images:
            of_file = IMAGES.get(trained_on, trained_on)
            raise ValueError(
                f'{self.checkpoint} was trained on {of_file}, but the config gives its '
                f'model {IMAGES[self.images]}. Set the data_preprocessor to the former and '
                f"images='{trained_on}' in init_cfg, as the configs cam/vgg16*_cam_voc12aug.py do."
            )
        # Some published files have NaN in fc6 and fc7: they hold the convolutions only.
        check_finite({entry: found[entry] for entry, _ in wanted.values()}, self.checkpoint)
        with torch.no_grad():
            for entry, parameter in wanted.values():
                parameter.copy_(found[entry])
        used = {entry for entry, _ in wanted.values()}
        unused = [*(entry for entry in found if entry not in used), *unused]
        print_log(
            f'{name}: loaded {len(wanted)} entries from {self.checkpoint} (trained on '
            f'{IMAGES.get(trained_on, "images that the file does not tell")}); not used from the '
            f'file: {", ".join(unused) if unused else "nothing"}.',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'PretrainedVGG16: {self.checkpoint}')


def _some(names: Iterable[str]) -> str:
    """Join the first few names, for an error message."""
    names = list(names)
    head = ', '.join(names[:3]) or 'nothing'
    return head + (f' and {len(names) - 3} more' if len(names) > 3 else '')
