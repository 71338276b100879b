"""Any mmseg segmentor, trained with K seeds."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead, PointHead, STDCHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.san_head import SideAdapterCLIPHead
from mmseg.models.losses import CrossEntropyLoss, OhemCrossEntropy
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from mmws.files.label_map import UNKNOWN

from .hand_over import SeedBatch, hand_over
from .rules import LearningRule, Rule
from .seed_heads import SeedsAtPoints, SeedsOnSemanticMap, join
from .seed_losses import SeedCrossEntropyLoss, SeedOhemCrossEntropy
from .wst_loss import WSTLoss, check_class_weight

_SEED_LOSSES = {CrossEntropyLoss: SeedCrossEntropyLoss, OhemCrossEntropy: SeedOhemCrossEntropy}
_QUERY_HEADS = (MaskFormerHead, Mask2FormerHead, SideAdapterCLIPHead)

# In how many steps of a run the labels that reach the losses are compared with the vote: a head
# that makes labels of its own does so from the start, and on a GPU a comparison waits for it.
_CHECKED_STEPS = 10

# torch has it from 2.3 on.
_is_compiling = getattr(getattr(torch, 'compiler', None), 'is_compiling', lambda: False)


@MODELS.register_module()
class MultiSeedSegmentor:
    """Turn any mmseg segmentor into one that learns from K seeds per image.

    The model is the stock one: the same modules, the same ``state_dict``, the same inference.
    During ``loss()`` it hands the seeds of the batch to its losses. Which losses take them:

    * a ``WSTLoss`` that a head was given;
    * every stock ``CrossEntropyLoss`` (also the sigmoid form) and ``OhemCrossEntropy`` in heads
      with the model's number of classes, main, auxiliary and nested ones. They become the WST loss
      and keep their weight, class weights, name and average.

    All other losses (Dice, Lovasz, boundaries, class presence), accuracy, samplers and hard-pixel
    selection see ``gt_sem_seg``, the seeds' majority vote.

    The heads of MaskFormer, Mask2Former and SAN match queries to the masks of one label map, the
    vote; for them ``dense_loss`` adds a loss of their semantic map that sees every seed.

    Args:
        base: The stock segmentor's type.
        rule: Of the losses that are converted, see :class:`WSTLoss`; as ``scale``, ``unknown``,
            ``balance`` and ``loss_base`` (there ``base``).
        average: Likewise; None keeps each stock loss's own.
        dense_loss: The config of a ``WSTLoss``, for query heads only.
        keep_stock: Names of modules, such as ``auxiliary_head.1``, whose losses stay as they are:
            those of a head that makes labels of its own.
        **model: The stock segmentor's config.

    Raises:
        ValueError: No loss can take seeds, a query head has no ``dense_loss``, or another model has
            one.
        AttributeError: ``keep_stock`` names a module that the model does not have.

    Example:
        >>> _base_ = '<any mmseg config>.py'
        >>> model = dict(type='mmws.MultiSeedSegmentor', base={{_base_.model.type}})
    """

    def __new__(cls, *args, base: str | type = 'EncoderDecoder', **kwargs):
        if cls is MultiSeedSegmentor:
            stock = MODELS.get(base) if isinstance(base, str) else base
            if stock is None:
                raise KeyError(
                    f"base={base!r} is not in mmseg's registry of models. It is the `type` that "
                    'the stock config gives its model: base={{_base_.model.type}}.'
                )
            cls = join(cls, stock)
        return object.__new__(cls)

    def __init__(
        self,
        *,
        base: str | type = 'EncoderDecoder',
        rule: str | dict = 'wst',
        scale: float | None = None,
        balance: float | None = None,
        unknown: str = 'keep',
        loss_base: str = 'ce',
        average: str | None = None,
        dense_loss: dict | None = None,
        keep_stock: Sequence[str] = (),
        **model,
    ):
        super().__init__(**model)
        kept = {self.get_submodule(name) for name in keep_stock}
        kept |= _add_dense_losses(self, dense_loss, kept)
        options = dict(
            rule=rule,
            scale=scale,
            balance=balance,
            unknown=unknown,
            base=loss_base,
            average=average,
        )
        num_classes = getattr(self, 'num_classes', None)
        _convert(self, num_classes, num_classes, options, kept)
        if not any(isinstance(m, WSTLoss) for m in self.modules()):
            raise ValueError(
                f'{type(self).__name__} has no loss that can take seeds: mmws needs a WSTLoss, a '
                f"CrossEntropyLoss or an OhemCrossEntropy in a head with the model's {num_classes} "
                f'classes. Its losses are: {_losses(self) or "none"}.'
            )
        for name, module in self.named_modules():
            if isinstance(module, Rule):
                module.name = name
        self._rules_know_seeds = any(isinstance(m, LearningRule) for m in self.modules())
        self._seed_names: tuple[str, ...] | None = None
        self._steps_to_check = _CHECKED_STEPS

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Compute the stock losses, with the data samples' ``gt_seeds`` handed over.

        Raises:
            KeyError: The data samples hold no seeds.
            RuntimeError: No loss has used the seeds, or a head gives a loss that takes them a label
                map of its own.
        """
        if self._rules_know_seeds:
            self._check_seed_names(data_samples)
        batch = _stack_seeds(inputs, data_samples)
        # A compiled step would be compiled anew for every value of the counter.
        if not _is_compiling() and self._steps_to_check:
            self._steps_to_check -= 1
            batch.vote = torch.stack([s.gt_sem_seg.data for s in data_samples]).squeeze(1)
        with hand_over(batch):
            losses = super().loss(inputs, data_samples)
        if not batch.uses:
            raise RuntimeError(
                f'no loss of {type(self).__name__} has used the seeds in this step: training went '
                f'on with their majority vote alone. Its losses are: {_losses(self)}.'
            )
        return losses

    def _check_seed_names(self, data_samples: SampleList) -> None:
        """Refuse seeds of several sources in one place, whose quality a rule would mix."""
        for sample in data_samples:
            names = tuple(sample.metainfo.get('seed_names', ()))
            self._seed_names = names if self._seed_names is None else self._seed_names
            if names != self._seed_names:
                raise ValueError(
                    'the rule of this loss learns how good each seed is, and seed k must be the '
                    f'same source in every image. One dataset has {self._seed_names}, another '
                    f'{names}. Give all the same seed_dirs (a seed that images lack counts for '
                    "nothing there), or take a rule that does not learn: 'wst', 'plain' or 'vote'."
                )


def _add_dense_losses(
    model: nn.Module, dense_loss: dict | None, kept: set[nn.Module]
) -> set[nn.Module]:
    """Give the query heads of a model, which are returned, their loss for seeds."""
    heads = {m for m in model.modules() if isinstance(m, _QUERY_HEADS)} - kept
    if heads and dense_loss is None:
        raise ValueError(
            f'{type(heads.pop()).__name__} matches each query to a mask of one label map, so its '
            'losses cannot take several seeds; they learn from the majority vote. Add a loss of '
            "its semantic map that sees every seed: model = dict(dense_loss=dict(type='WSTLoss'))."
        )
    if dense_loss is not None and not heads:
        raise ValueError(
            'dense_loss is for the query heads of MaskFormer, Mask2Former and SAN; '
            f'{type(model).__name__} has none. Leave it out: its cross entropies take the seeds.'
        )
    for head in heads:
        loss = MODELS.build(dense_loss)
        if not isinstance(loss, WSTLoss):
            raise ValueError(f'dense_loss must be a WSTLoss; got {dense_loss["type"]!r}.')
        head.__class__ = join(SeedsOnSemanticMap, type(head))
        head.dense_loss = loss
    return heads


def _convert(
    module: nn.Module, num_classes: int, of_model: int, options: dict, kept: set[nn.Module]
) -> None:
    """Make the cross entropies below a module take seeds."""
    if module in kept or isinstance(module, STDCHead):  # STDC's labels are edges
        return
    if isinstance(module, PointHead):
        module.__class__ = join(SeedsAtPoints, type(module))
    num_classes = getattr(module, 'num_classes', num_classes)
    # One channel for two classes is mmseg's binary form.
    outputs = max(module.out_channels, 2) if isinstance(module, BaseDecodeHead) else num_classes
    for name, child in module.named_children():
        if child in kept:
            continue
        seed_loss = _SEED_LOSSES.get(type(child))
        if seed_loss and num_classes == of_model and not getattr(child, 'use_mask', False):
            child = seed_loss(child, **options)
            setattr(module, name, child)
        else:
            _convert(child, num_classes, of_model, options, kept)
        wst = getattr(child, 'wst', child)
        if isinstance(wst, WSTLoss) and wst.class_weight is not None:
            check_class_weight(wst.class_weight, outputs, f'{type(module).__name__}.{name}')


def _stack_seeds(inputs: Tensor, data_samples: SampleList) -> SeedBatch:
    """Pad the seeds of a batch to the size of the inputs and to the largest K."""
    for sample in data_samples:
        if 'gt_seeds' not in sample:
            raise KeyError(
                f'the sample of {sample.metainfo.get("img_path")} has no gt_seeds. A multi-seed '
                'model needs a mmws.MultiSeedDataset and a pipeline that ends with '
                'PackMultiSeedInputs.'
            )
    maps = [sample.gt_seeds.data for sample in data_samples]
    num_seeds = max(len(seeds) for seeds in maps)
    stacked = maps[0].new_full((len(maps), num_seeds, *inputs.shape[-2:]), UNKNOWN)
    present = []
    for place, seeds, sample in zip(stacked, maps, data_samples, strict=True):
        # The data preprocessor pads below and to the right; what it padded is unknown.
        place[: len(seeds), : seeds.shape[1], : seeds.shape[2]] = seeds
        has = sample.metainfo.get('seed_present', (True,) * len(seeds))
        present.append([*has, *(False,) * (num_seeds - len(seeds))])
    all_there = all(map(all, present))
    return SeedBatch(stacked, None if all_there else stacked.new_tensor(present).bool())


def _losses(model: nn.Module) -> str:
    """Name a model's losses and their types, for messages."""
    return ', '.join(
        f'{name} ({type(module).__name__})'
        for name, module in model.named_modules()
        if 'loss' in name.rsplit('.', 1)[-1] or type(module).__name__.endswith('Loss')
    )
