"""Load a DSS and apply it to arrays."""

from __future__ import annotations

import copy
import os

import mmcv
import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS, TRANSFORMS

from mmws.checkpoint import load_weights, read_checkpoint
from mmws.run_config import type_name

from .dss import DSS


def load_dss(
    config: Config, checkpoint: str | os.PathLike, device: str | torch.device = 'cpu'
) -> DSS:
    """Build the model of a config of ``configs/saliency`` and load all weights of a checkpoint.

    It is in evaluation mode. Pretrained weights that the config names are not needed.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: The config's model gives no saliency maps, or the checkpoint does not fit.
    """
    content = read_checkpoint(checkpoint)
    kind = (config.get('model') or {}).get('type')
    with DefaultScope.overwrite_default_scope('mmseg'):
        found = MODELS.get(kind) if isinstance(kind, str) else kind
        if not isinstance(found, type) or not issubclass(found, DSS):
            raise ValueError(
                f'the model of {config.filename} is {kind or "not there"}, which gives no saliency '
                'maps. Take a config of configs/saliency.'
            )
        model = MODELS.build(copy.deepcopy(config.model))
    load_weights(model, content, checkpoint)
    return model.to(device).eval()


class Predictor:
    """Apply a saliency model, in evaluation mode, to arrays; the ``recipe`` says how.

    Args:
        model: On its device.
        pipeline: Of the test data; what loads files in it is left out.
        longest: Larger images are shrunk to this longer side for the network.
    """

    def __init__(self, model: DSS, pipeline: list[dict], *, longest: int | None = None):
        self.model = model
        self.longest = longest
        # Nothing is read from files but the image, which the caller has read.
        steps = [
            step.to_dict() if isinstance(step, Config) else dict(step)
            for step in pipeline
            if not type_name(step).startswith('Load')
        ]
        self.recipe = {'longest': longest, 'pipeline': steps}
        with DefaultScope.overwrite_default_scope('mmseg'):
            self._pipeline = Compose(
                [TRANSFORMS.build(step) for step in ({'type': 'LoadImageFromNDArray'}, *steps)]
            )

    @torch.no_grad()
    def __call__(self, image: np.ndarray, path: str = 'an image') -> np.ndarray:
        """Compute the map (H, W) float32 in [0, 1] of an image (H, W, 3) uint8, RGB.

        Raises:
            ValueError: The network's output is not finite; names ``path``.
        """
        # mmseg's pipelines work on BGR.
        small = np.ascontiguousarray(image[..., ::-1])
        if self.longest is not None and max(image.shape[:2]) > self.longest:
            small = mmcv.imrescale(small, (self.longest, self.longest), interpolation='area')
        data = pseudo_collate([self._pipeline(dict(img=small))])
        # The model enlarges the map to this size before it stretches the values.
        data['data_samples'][0].set_metainfo(dict(ori_shape=image.shape[:2], img_path=path))
        (sample,) = self.model.test_step(data)
        return sample.pred_saliency.data[0].float().cpu().numpy()
