"""Any mmseg segmentor, trained with K seeds."""

from __future__ import annotations

from mmseg.models.decode_heads import PointHead, STDCHead
from mmseg.models.losses import CrossEntropyLoss, OhemCrossEntropy
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from .hand_over import UNKNOWN_LABEL, SeedBatch, hand_over
from .multi_seed_point_head import MultiSeedPointHead
from .seed_losses import SeedCrossEntropyLoss, SeedOhemCrossEntropy
from .wst_loss import WSTLoss

_CLASSES: dict[str, type] = {}
_PREFIX = 'MultiSeed'


@MODELS.register_module()
class MultiSeedSegmentor:
    """Turns any mmseg segmentor into one that learns from K seeds per image.

    The model is the stock one: the same modules, the same ``state_dict``, the same inference.
    During ``loss()`` it hands the seeds of the batch to its losses. Which losses take them:

    * a ``WSTLoss`` that a head was given;
    * every stock ``CrossEntropyLoss`` (also the sigmoid form) and ``OhemCrossEntropy`` in heads
      with the model's number of classes, main, auxiliary and nested ones. They become the WST loss
      and keep their weight, class weights, name and average.

    All other losses (Dice, Lovasz, boundaries, class presence), accuracy, samplers and hard-pixel
    selection see ``gt_sem_seg``, the seeds' majority vote.

    Args:
        base: The stock segmentor's type.
        scale: The factor s of Eq. 6 for the losses that are converted.
        unknown: See :class:`WSTLoss`, for the losses that are converted.
        average: See :class:`WSTLoss`; None keeps each stock loss's own.
        **model: The stock segmentor's config.

    Example:
        >>> _base_ = '<any mmseg config>.py'
        >>> model = dict(type='mmws.MultiSeedSegmentor', base={{_base_.model.type}})
    """

    def __new__(cls, *args, base: str | type = 'EncoderDecoder', **kwargs):
        # copy.deepcopy and pickle come here with the class that __new__ made before.
        if cls is MultiSeedSegmentor:
            cls = _multi_seed_class(MODELS.get(base) if isinstance(base, str) else base, base)
        return object.__new__(cls)

    def __init__(
        self,
        *,
        base: str | type = 'EncoderDecoder',
        scale: float = 1.0,
        unknown: str = 'keep',
        average: str | None = None,
        **model,
    ):
        super().__init__(**model)
        num_classes = getattr(self, 'num_classes', None)
        converted = _convert(
            self, num_classes, num_classes, dict(scale=scale, unknown=unknown, average=average)
        )
        if not converted and not any(isinstance(m, WSTLoss) for m in self.modules()):
            raise ValueError(
                f'{type(self).__name__} has no loss that can take seeds: mmws needs a WSTLoss, a '
                "CrossEntropyLoss or an OhemCrossEntropy in a head with the model's "
                f'{num_classes} classes. Its losses are: '
                f'{_losses(self) or "none"}.'
            )

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """The stock losses, with the seeds in the data samples' ``gt_seeds`` handed over.

        Raises:
            KeyError: The data samples hold no seeds.
            RuntimeError: No loss has used the seeds.
        """
        with hand_over(_stack_seeds(inputs, data_samples)) as batch:
            losses = super().loss(inputs, data_samples)
        if not batch.uses:
            raise RuntimeError(
                f'no loss of {type(self).__name__} has used the seeds in this step: training went '
                f'on with their majority vote alone. Its losses are: {_losses(self)}.'
            )
        return losses


def _multi_seed_class(stock: type | None, name: str | type) -> type:
    """The subclass of a segmentor, made once; importable from this module under its name."""
    if stock is None:
        raise KeyError(
            f"base={name!r} is not in mmseg's registry of models. It is the `type` that the stock "
            'config gives its model: base={{_base_.model.type}}.'
        )
    key = _PREFIX + stock.__name__
    made = _CLASSES.get(key)
    if made is None or made.__bases__[1] is not stock:
        made = type(key, (MultiSeedSegmentor, stock), {'__module__': __name__})
        _CLASSES[key] = made
    return made


def __getattr__(name: str) -> type:
    # How pickle finds, in a new process, the classes made above.
    if name in _CLASSES:
        return _CLASSES[name]
    stock = MODELS.get(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
    if stock is None:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return _multi_seed_class(stock, name)


def _convert(module: nn.Module, num_classes: int, of_model: int, options: dict) -> int:
    """Makes the cross entropies below a module take seeds; their number."""
    if isinstance(module, STDCHead):  # its labels are edges
        return 0
    if type(module) is PointHead:
        module.__class__ = MultiSeedPointHead
    num_classes = getattr(module, 'num_classes', num_classes)
    converted = 0
    for name, child in module.named_children():
        loss = None
        if num_classes == of_model and type(child) is CrossEntropyLoss and not child.use_mask:
            loss = SeedCrossEntropyLoss(child, **options)
        elif num_classes == of_model and type(child) is OhemCrossEntropy:
            loss = SeedOhemCrossEntropy(child, scale=options['scale'], unknown=options['unknown'])
        if loss is None:
            converted += _convert(child, num_classes, of_model, options)
        else:
            setattr(module, name, loss)
            converted += 1
    return converted


def _stack_seeds(inputs: Tensor, data_samples: SampleList) -> SeedBatch:
    """Pads the seeds of a batch to the size of the inputs and to the largest K."""
    height, width = inputs.shape[-2:]
    for sample in data_samples:
        if 'gt_seeds' not in sample:
            raise KeyError(
                f'the sample of {sample.metainfo.get("img_path")} has no gt_seeds. A multi-seed '
                'model needs a mmws.MultiSeedDataset and a pipeline that ends with '
                'PackMultiSeedInputs.'
            )
    maps = [sample.gt_seeds.data for sample in data_samples]
    num_seeds = max(len(seeds) for seeds in maps)
    stacked = maps[0].new_full((len(maps), num_seeds, height, width), UNKNOWN_LABEL)
    present = []
    for place, seeds, sample in zip(stacked, maps, data_samples, strict=True):
        # The data preprocessor pads below and to the right; what it padded is unknown.
        place[: len(seeds), : seeds.shape[1], : seeds.shape[2]] = seeds
        has = sample.metainfo.get('seed_present', (True,) * len(seeds))
        present.append([*has, *(False,) * (num_seeds - len(seeds))])
    if all(map(all, present)):
        return SeedBatch(stacked)
    return SeedBatch(stacked, stacked.new_tensor(present).bool())


def _losses(model: nn.Module) -> str:
    """The names and types of a model's losses, for messages."""
    return ', '.join(
        f'{name} ({type(module).__name__})'
        for name, module in model.named_modules()
        if 'loss' in name.rsplit('.', 1)[-1] or type(module).__name__.endswith('Loss')
    )
