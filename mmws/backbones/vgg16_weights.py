"""Read ImageNet weights of VGG16 into DeepLab's version of it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn

from .vgg16 import conv_names
from .weight_file import fill, read_weight_file

_LAYERS = (*conv_names(), 'fc6', 'fc7')
# torchvision numbers its convolutions, ReLUs and poolings together. 31 and 33 exist in files with
# reduced fully connected layers only, such as the ones that SSD starts from.
_NUMBERS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28, 31, 33)
_NAMES = {
    **{layer: layer for layer in _LAYERS},
    **{f'{n}': layer for n, layer in zip(_NUMBERS, _LAYERS, strict=True)},
    **{f'features.{n}': layer for n, layer in zip(_NUMBERS, _LAYERS, strict=True)},
    'classifier.0': 'fc6',
    'classifier.3': 'fc7',
}
_EXPECTED = (
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


def decimate(layer: str, value: Tensor) -> Tensor:
    """Shrink a fully connected layer of VGG16 to DeepLab's convolution, by leaving out.

    Of fc6, seen as a 7x7 convolution, rows and columns 0, 3 and 6 stay (to be used with dilation),
    and every fourth output channel; of fc7 the same output channels and, as input, the kept
    channels of fc6. Nothing is rescaled. DeepLab speaks of subsampling without naming the indices;
    this is the usual reading.

    The weight (4096, 25088) or (4096, 512, 7, 7) of fc6 becomes (1024, 512, 3, 3), the weight
    (4096, 4096) or (4096, 4096, 1, 1) of fc7 (1024, 1024, 1, 1), a bias (4096,) one of (1024,).
    """
    if value.dim() == 1:
        return value[::4]
    if layer == 'fc6':
        return value.reshape(4096, 512, 7, 7)[::4, :, ::3, ::3]
    return value.reshape(4096, 4096, 1, 1)[::4, ::4]


def rename_vgg16_entries(entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the entries of a weight file ``conv1_1.weight`` ... ``fc7.bias``, in DeepLab's shapes.

    They are the state dict of torchvision's VGG16, or one with Caffe's layer names (of the full
    network or with reduced fully connected layers). The rest keeps its names.
    """
    found = {}
    for key, value in entries.items():
        name, _, kind = key.rpartition('.')
        layer = _NAMES.get(name)
        if layer is None or kind not in ('weight', 'bias'):
            found[key] = value
            continue
        inputs = {'fc6': 512 * 7 * 7, 'fc7': 4096}.get(layer)
        full = inputs and len(value) == 4096 and (value.dim() == 1 or value[0].numel() == inputs)
        found[f'{layer}.{kind}'] = decimate(layer, value) if full else value
    return found


def recognise_images(entries: Mapping[str, Tensor]) -> str | None:
    """Tell what a public weight file was trained on, by the first numbers in it.

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


@WEIGHT_INITIALIZERS.register_module()
class PretrainedVGG16:
    """Fill VGG16 layers from a weight file: ``init_cfg=dict(type='PretrainedVGG16', ...)``.

    For the trunk and for the heads, each with its own ``init_cfg``: every convolution below the
    module whose name is conv1_1 ... conv5_3, fc6 or fc7 is filled (in an ASPP head, all branches
    alike); others, such as the classifying one, are left as they are. In a list of initialisers
    stand it last.

    Args:
        checkpoint: As in :func:`read_weight_file`. A file of torch may say in its
            ``meta=dict(images='bgr255')`` what it was trained on (a key of ``IMAGES``).
        images: The images that the model's ``data_preprocessor`` makes, a key of ``IMAGES``. A file
            that was trained on others is refused, where the file says so or is a public one. None
            checks nothing.

    Raises:
        FileNotFoundError: There is no such file (when the weights are loaded, as the others).
        ValueError: The module has no such layer; or the file cannot be read, does not have one with
            its shape, was trained on other images, or holds NaN.
    """

    def __init__(self, checkpoint: str, *, images: str | None = None):
        if images is not None and images not in IMAGES:
            raise ValueError(f'images must be one of {", ".join(IMAGES)}; got {images!r}.')
        self.checkpoint = checkpoint
        self.images = images

    def __call__(self, module: nn.Module) -> None:
        path = self.checkpoint
        wanted = {
            f'{name}.{kind}': f'{name.rpartition(".")[-1]}.{kind}'
            for name, layer in module.named_modules()
            if name.rpartition('.')[-1] in _LAYERS and isinstance(layer, nn.Conv2d)
            for kind, _ in layer.named_parameters(recurse=False)
        }
        if not wanted:
            raise ValueError(
                f'PretrainedVGG16: {type(module).__name__} has no layer named conv1_1 ... conv5_3, '
                'fc6 or fc7. Give this init_cfg to VGG16LargeFOV and to the heads with fc6 and fc7 '
                'only.'
            )
        entries, meta = read_weight_file(path, _EXPECTED)
        found = rename_vgg16_entries(entries)
        trained_on = meta.get('images') or recognise_images(found)
        if None not in (self.images, trained_on) and trained_on != self.images:
            raise ValueError(
                f'{path} was trained on {IMAGES.get(trained_on, trained_on)}, but the config gives '
                f'its model {IMAGES[self.images]}. Set the data_preprocessor to the former and '
                f"images='{trained_on}' in init_cfg, as the configs cam/vgg16*_cam_voc12aug.py do."
            )
        weights = {name: found[entry] for name, entry in wanted.items() if entry in found}
        rest = {entry: value for entry, value in found.items() if entry not in wanted.values()}
        fill(module, weights | rest, path, _EXPECTED, names=wanted)
